// One run: the one that the address names behind its #.
"use strict";

{
  const place = rote.find("run");

  const section = (title, ...children) => [rote.make("h2", {}, title), ...children];
  const scrolled = (...children) =>
    rote.make("div", { class: "scroll tall", tabindex: "0" }, ...children);
  const text = (lines) => rote.make("pre", { tabindex: "0" }, rote.make("code", {}, lines));

  const cards = (run) => {
    const made = run.cards.map(({ title, unit, text: written }) =>
      rote.make("section", { class: "card" }, rote.make("h2", {}, title),
        rote.make("div", { class: "value" }, `${written} `, rote.make("span", {}, unit))));
    return made.length ? [rote.make("div", { class: "cards" }, ...made)] : [];
  };

  const curves = (run) => {
    const step = run.curve.step ?? [];
    curves.draw = null;
    if (!step.length) return [rote.make("p", {}, "No step of training is noted yet.")];
    const found = run.charts.filter(({ key }) => key in run.curve);
    const charts = found.map(({ key }) => rote.make("div", { class: "chart", id: `curve-${key}` }));
    const side = rote.make("div", { class: "curves" },
      ...charts.map((chart) => rote.make("div", {}, chart)));
    found.forEach(({ title }, at) => rote.walk(charts[at], `${title} over steps`));
    const draw = () => found.forEach(({ key, title }, at) => {
      const trace = { type: "scatter", mode: step.length < 60 ? "lines+markers" : "lines",
        name: title, x: step, y: run.curve[key], line: { color: rote.PALETTE[at], width: 2 },
        text: step.map((x, row) =>
          `step ${rote.number(x)}<br>${title}: ${rote.number(run.curve[key][row])}`),
        hovertemplate: rote.HOVER };
      const levels = (run.levels[key] ?? []).map(([name, value]) => ({ type: "scatter",
        mode: "lines", name: `${name}: ${rote.number(value)}`, x: [step[0], step.at(-1)],
        y: [value, value], hoverinfo: "skip",
        line: { color: rote.OUTLINE, dash: "dash", width: 1.5 } }));
      rote.draw(charts[at], [trace, ...levels], { x: "step", y: title, logX: curves.isLog });
    });
    curves.draw = draw;
    const log = rote.tick("log steps", curves.isLog, (isLog) => {
      curves.isLog = isLog;
      draw();
    }, { id: "log-steps" });
    return [rote.make("p", { class: "tools" }, log), side];
  };
  curves.isLog = false;

  const MARKS = { true: "holds", false: "does not hold", null: "no" };

  const checks = (run) => rote.make("ul", { class: "checks" }, ...run.checks.map((check) =>
    rote.make("li", { class: check.holds ? "holds" : "bound" },
      `${check.statement}: ${MARKS[check.holds]}`)));

  const clock = (unixSeconds) =>
    `${new Date(unixSeconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

  const failure = (run) => {
    const made = [];
    if (run.failure) {
      made.push(...section("Failure", rote.make("p", { class: "bound" },
        `${run.failure.reason} (${clock(run.failure.time_unix_seconds)})`),
        text(run.failure.details)));
    }
    if (run.log) {
      const path = rote.make("p", {}, rote.make("code", {}, run.log.path));
      const lines = text(run.log.lines.join("\n") || "(empty)");
      made.push(...section("The end of its log", path, lines));
    }
    return made;
  };

  const reproduce = (run) => {
    const spec = rote.yaml({ what: run.what, how: run.how });
    const address = URL.createObjectURL(new Blob([spec], { type: "application/yaml" }));
    const link = rote.make("a", { href: address, download: "spec.yaml", id: "spec" },
      "Download spec.yaml");
    const sweep = run.sweeps.find((name) => name !== "single-runs");
    const whole = sweep ? `\nrote sweep ${sweep}   # with the whole sweep` : "";
    return [rote.make("p", {}, link),
      text(`ROTE_OUTPUTS=again rote train --spec spec.yaml   # this run alone${whole}`)];
  };

  const state = (run) => {
    const steps = run.state === "done" ? run.record.training.steps : run.step;
    const reason = run.reason ? `: ${run.reason}` : "";
    return [rote.make("span", { class: `state ${run.state}` }, run.state),
      `${reason}, ${rote.number(steps)} of at most ${rote.number(run.max_steps)} steps`];
  };

  const trail = (run) => {
    const links = run.sweeps.map((name) =>
      rote.make("a", { href: `sweeps/${encodeURIComponent(name)}.html` }, name));
    rote.find("trail").replaceChildren(...links);
  };

  // While it runs, what moves is replaced; what is being read stays.
  const move = (run) => {
    const focused = document.activeElement.id;
    rote.find("run-state").replaceChildren(...state(run));
    rote.find("training").replaceChildren(...curves(run));
    curves.draw?.();
    if (focused) rote.find(focused)?.focus({ preventScroll: true });
  };

  let shown = null;
  const show = (run) => {
    if (shown === run.state) return move(run);
    shown = run.state;
    document.title = `Run ${run.name}`;
    trail(run);
    const settings = [...rote.flatten(run.what), ...rote.flatten(run.how)];
    const listed = (title, tree) => section(title, scrolled(rote.listing(rote.flatten(tree))));
    place.replaceChildren(
      rote.make("h1", {}, run.name),
      rote.make("p", { class: "name" }, "Run ", rote.make("code", {}, run.id)),
      rote.make("p", { class: "setting", id: "run-state" }, ...state(run)),
      ...cards(run), ...failure(run),
      ...section("Training", rote.make("div", { id: "training" }, ...curves(run))),
      ...(run.record ? listed("Sums and counts", run.record) : []),
      ...section("Settings", scrolled(rote.listing(settings))),
      ...section("Checks", checks(run)),
      ...(run.circumstances ? listed("Circumstances", run.circumstances) : []),
      ...section("How to reproduce", ...reproduce(run)),
    );
    curves.draw?.();
    return undefined;
  };

  const missing = (id) => {
    const state = rote.make("p", { class: "damaged", role: "alert" }, `There is no run ${id}.`);
    place.replaceChildren(state);
  };

  const start = async () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const found = /^[0-9a-z]{2,}$/i.test(id) ? await rote.load(`runs/${id.slice(0, 2)}`) : {};
    if (!(id in found)) return missing(id);
    show(found[id]);
    return rote.poll(`runs/${id}`, (run) => {
      show(run);
      return run.state === "done";
    });
  };

  window.addEventListener("hashchange", () => location.reload());
  start().catch(rote.complain);
}
