// A sweep's page: its table and scatter, kept up while runs are under way.
"use strict";

{
  const name = rote.page.name;

  const label = (table) => (index) =>
    table.columns
      .filter((column) => column.group === "setting" && column.shown && column.at(index) !== null)
      .map((column) => `${column.title} ${column.written(index)}`)
      .join(", ");

  const UNKNOWN = "the queue does not answer: what waits in it is not known";

  const showNotes = (notes) => {
    const place = rote.find("notes");
    place.hidden = !notes.length;
    place.textContent = notes.slice(0, 5).join("; ") + (notes.length > 5 ? " ..." : "");
  };

  const showMoving = (runs) => {
    rote.find("moving").hidden = !runs.length;
    const rows = runs.map((run) => {
      const link = rote.make("a", { href: rote.runAddress(run.id), title: run.id }, run.name);
      const bar = rote.make("progress", { max: run.max_steps, value: run.step,
        "aria-label": `steps of ${run.name}` });
      const cells = [link, run.label, rote.number(run.step),
        rote.number(run.max_steps), bar, rote.duration(run.left_seconds), run.progress];
      const isText = [true, true, false, false, true, false, true];
      return rote.make("tr", {}, ...cells.map((cell, at) =>
        rote.make("td", { class: isText[at] ? "text" : "" }, cell)));
    });
    rote.find("moving").querySelector("tbody").replaceChildren(...rows);
  };

  const start = async () => {
    const data = await rote.load(`sweeps/${name}`);
    let scatter = null;
    const table = new rote.Table(data, (order) => scatter?.show(order));
    scatter = new rote.Scatter(table, label(table), data.axes);
    scatter.show(table.order);
    Object.assign(rote, { table, scatter }); // for those who look from outside: tests, a console
    rote.find("shared").querySelector(".scroll").append(rote.listing(Object.entries(data.shared)));
    let notes = data.notes;
    showNotes(notes);

    let done = null;
    rote.poll(`sweeps/${name}`, async (now) => {
      rote.showCounts(document.querySelector(".standing"), now.counts);
      showMoving(now.moving);
      const queue = now.queue_is_known ? [] : [UNKNOWN];
      if (done !== null && done !== now.done) {
        const fresh = await rote.load(`sweeps/${name}`, now.done);
        table.take(fresh);
        table.head();
        scatter.tools();
        notes = fresh.notes;
        table.apply();
      }
      showNotes([...queue, ...notes]);
      done = now.done;
      table.move(now.states);
      return false;
    });
  };

  start().catch(rote.complain);
}
