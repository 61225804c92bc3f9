// The points of a chart by the keyboard: arrows go from one to the next, and what a pointer would
// see is shown and said.
"use strict";

rote.KEYS = "Left and right go over the points along the x axis, up and down along the y axis; " +
  "Home and End to the first and the last, Page Up and Page Down ten at a time; Escape leaves.";
rote.PAGE_OF_POINTS = 10;

// Where each chart stands, by its id: a chart that is drawn anew goes on from there.
rote.standing = new Map();

// `enter(point, event)`, where there is one, is what Enter does.
rote.walk = (place, name, enter = null) => {
  const status = rote.make("span", { class: "unseen", role: "status" });
  const keys = enter ? `${rote.KEYS} Enter opens the run.` : rote.KEYS;
  const hint = rote.make("p", { class: "setting keys", id: `${place.id}-keys` }, keys);
  place.after(hint, status);
  place.tabIndex = 0;
  place.setAttribute("role", "application"); // arrows are ours, not a screen reader's
  place.setAttribute("aria-roledescription", "chart");
  if (name) place.setAttribute("aria-label", name);
  const described = [place.getAttribute("aria-describedby"), hint.id].filter(Boolean);
  place.setAttribute("aria-describedby", described.join(" "));

  const show = (point) => {
    rote.standing.set(place.id, point);
    Plotly.Fx.hover(place, [{ curveNumber: point.curve, pointNumber: point.index }]);
    status.textContent = rote.unplain(place.data[point.curve].text[point.index]);
  };
  const leave = () => {
    Plotly.Fx.unhover(place);
    status.textContent = "";
  };
  place.addEventListener("blur", leave);
  place.addEventListener("keydown", (event) => {
    if (event.target !== place) return undefined; // the buttons in it have keys of their own
    if (event.key === "Escape") return place.blur();
    if (!place.data) return undefined; // not drawn yet
    const points = rote.pointsSeen(place);
    const now = rote.standing.get(place.id);
    const held = points.find((one) => one.curve === now?.curve && one.index === now?.index);
    if (event.key === "Enter") {
      if (held && enter) enter(held, event);
      return undefined;
    }
    const next = rote.nextPoint(points, held, event.key);
    if (!next) return undefined;
    event.preventDefault(); // the page would scroll
    return show(next);
  });
};

// Those that a reader sees: in no trace that the legend hides, and within the axes.
rote.pointsSeen = (place) => {
  const within = (axis, value) => {
    if (axis.type === "category") return true;
    const at = axis.type === "log" ? Math.log10(value) : value;
    const [a, b] = axis.range;
    return at >= Math.min(a, b) && at <= Math.max(a, b);
  };
  const { xaxis, yaxis } = place.layout;
  return place.data.flatMap((trace, curve) =>
    trace.visible === "legendonly" || !trace.text ? [] : trace.x
      .map((x, index) => ({ curve, index, x, y: trace.y[index] }))
      .filter((p) => p.y !== null && within(xaxis, p.x) && within(yaxis, p.y)),
  );
};

// The first key shows the point where the reader stands, or the first one.
rote.nextPoint = (points, held, key) => {
  const isAcross = !["ArrowUp", "ArrowDown"].includes(key);
  const order = [...points].sort((a, b) => (isAcross ? a.x - b.x || a.y - b.y : a.y - b.y || a.x - b.x));
  const [at, last] = [order.indexOf(held), order.length - 1];
  const steps = {
    ArrowRight: at + 1, ArrowLeft: at - 1, ArrowUp: at + 1, ArrowDown: at - 1,
    PageDown: at + rote.PAGE_OF_POINTS, PageUp: at - rote.PAGE_OF_POINTS, Home: 0, End: last,
  };
  if (!(key in steps)) return null;
  return order[held ? Math.min(Math.max(steps[key], 0), last) : key === "End" ? last : 0];
};
