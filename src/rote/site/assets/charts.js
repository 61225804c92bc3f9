// Plotly in our look. Colours of text, axes and grounds come from the style sheet, so that light,
// dark and paper need no redrawing.
"use strict";

// Okabe and Ito 2008, as in rote.analysis.drawing; grey stands for black, which the dark swallows.
rote.PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B"];
rote.MARKS = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "x"];
rote.colour = (place) => rote.PALETTE[place % rote.PALETTE.length];
rote.mark = (place) =>
  rote.MARKS[Math.floor(place / rote.PALETTE.length + place) % rote.MARKS.length];
rote.OUTLINE = "#8a8f98"; // keeps both ends of a colour scale visible on both grounds

// Between the margins of A4 at 96 pixels an inch, and half of it: on paper a chart is no wider, for
// a browser shrinks the whole page to its widest part.
rote.PAPER_PX = 680;
rote.HALF_PAPER_PX = 330;

rote.BUTTONS = [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]];

// Plotly reads some markup in labels: ours are text.
rote.plain = (text) =>
  String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

rote.lines = (texts) => texts.filter(Boolean).map(rote.plain).join("<br>");

rote.unplain = (text) =>
  text.replaceAll("<br>", "; ").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// Logarithmic: 1, 2 and 5 of every decade, each written in full.
rote.logTicks = (values) => ({
  dtick: "D2", tickformat: values.some((value) => value > 0 && value < 1) ? "~g" : "~s",
});

rote.HOVER = "%{text}<extra></extra>";
rote.ofRuns = (n) => (n === 1 ? "1 run" : `mean of ${rote.number(n)} runs`);

rote.axis = (title, isLog, values) => ({
  title: { text: rote.plain(title), standoff: 8 },
  type: isLog ? "log" : values.some((value) => typeof value === "string") ? "category" : "linear",
  exponentformat: "SI",
  ...(isLog ? rote.logTicks(values) : { nticks: 8 }),
  automargin: true,
  zeroline: false,
});

rote.draw = (place, traces, { x, y, logX = false, logY = false }) => {
  const layout = {
    font: { family: "system-ui, DejaVu Sans, sans-serif", size: 13 },
    margin: { l: 56, r: 12, t: 34, b: 48 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    hovermode: "closest",
    hoverlabel: { align: "left" },
    showlegend: traces.filter((trace) => trace.showlegend !== false).length > 1,
    legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0 },
    xaxis: rote.axis(x, logX, traces.flatMap((trace) => trace.x)),
    yaxis: rote.axis(y, logY, traces.flatMap((trace) => trace.y)),
    uirevision: [x, y, logX, logY].join(), // a zoom outlives new data, not new axes
  };
  const settings = { responsive: true, displaylogo: false, modeBarButtons: rote.BUTTONS };
  return Plotly.react(place, traces, layout, settings);
};

rote.drawn = () => [...document.querySelectorAll(".js-plotly-plot")];

window.addEventListener("beforeprint", () => {
  for (const place of rote.drawn()) {
    const width = place.closest(".curves") ? rote.HALF_PAPER_PX : rote.PAPER_PX;
    Plotly.relayout(place, { width });
  }
});

window.addEventListener("afterprint", () => {
  for (const place of rote.drawn()) Plotly.relayout(place, { width: null, autosize: true });
});
