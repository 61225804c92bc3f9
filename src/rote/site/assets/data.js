// What every page needs: data from scripts, elements that hold text and never markup, polling.
"use strict";

const rote = { waiting: new Map(), POLL_MS: 2000 };
rote.page = document.body.dataset;

// Called by the data files themselves: a page opened as a file may not fetch.
rote.take = (name, text) => {
  const hand = rote.waiting.get(name);
  rote.waiting.delete(name);
  if (hand) hand(JSON.parse(text));
};

rote.load = (name, version = "") =>
  new Promise((resolve, reject) => {
    rote.waiting.set(name, resolve);
    const path = name.split("/").map(encodeURIComponent).join("/");
    const script = document.createElement("script");
    script.src = `${rote.page.root}data/${path}.js${version && `?${version}`}`;
    script.onload = () => script.remove();
    script.onerror = () => reject(new Error(`${script.src} cannot be read`));
    document.head.append(script);
  });

// `make("a", {href: "x"}, "text")`: children are nodes or text; text is never read as markup.
rote.make = (tag, settings = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

// Items by what `keyOf` says of each, in the order of their first ones.
rote.grouped = (items, keyOf) => {
  const found = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(item);
  }
  return found;
};

rote.find = (id) => document.getElementById(id);

rote.choice = (label, options, chosen, change, settings = {}) => {
  const select = rote.make("select", { onchange: () => change(select.value), ...settings });
  for (const [value, label] of options) select.append(rote.make("option", { value }, label));
  select.value = chosen;
  return rote.make("label", {}, `${label} `, select);
};

rote.tick = (label, checked, change, settings = {}) => {
  const box = rote.make("input", { type: "checkbox", checked, ...settings });
  box.addEventListener("change", () => change(box.checked));
  return rote.make("label", { class: "tick" }, box, ` ${label}`);
};

// Made once: a table of a hundred rows says thousands of numbers.
rote.WHOLE = new Intl.NumberFormat("en-GB");
rote.BROKEN = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 5 });
rote.FIXED = new Map();
rote.FORM = /^\{:z?(,)?(?:\.(\d+))?([fg%])?\}$/;

rote.number = (value, form = "") => {
  if (value === null || value === undefined) return "";
  const [, comma, digits, kind] = rote.FORM.exec(form) ?? [];
  const written = digits === undefined ? rote.plainNumber(value)
    : kind === "g" ? rote.plainNumber(Number(value.toPrecision(Number(digits))))
      : rote.fixed(kind === "%" ? 100 * value : value, Number(digits), Boolean(comma)) + (kind === "%" ? "%" : "");
  // What is no zero is not written as one.
  const text = value && !/[1-9]/.test(written) ? value.toPrecision(1) : written;
  return text.replace(/^-/, "\u2212");
};

rote.plainNumber = (value) => {
  if (Number.isInteger(value)) return rote.WHOLE.format(value);
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-3 ? value.toExponential(3) : rote.BROKEN.format(value);
};

rote.fixed = (value, digits, useGrouping) => {
  const key = `${digits}${useGrouping}`;
  const settings = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping };
  if (!rote.FIXED.has(key)) rote.FIXED.set(key, new Intl.NumberFormat("en-GB", settings));
  return rote.FIXED.get(key).format(value);
};

rote.written = (value, form) => {
  if (typeof value === "number") return rote.number(value, form);
  return typeof value === "string" ? value : JSON.stringify(value);
};

rote.duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "";
  const two = (number) => String(number).padStart(2, "0");
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
};

rote.flatten = (tree, prefix = "") =>
  Object.entries(tree).flatMap(([key, value]) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? rote.flatten(value, `${prefix}${key}.`)
      : [[prefix + key, value]],
  );

// Two columns; numbers exactly as stored.
rote.listing = (pairs) => {
  const body = rote.make("tbody");
  for (const [key, value] of pairs) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    body.append(
      rote.make("tr", {}, rote.make("th", { scope: "row", class: "text" }, key),
        rote.make("td", { class: "text sample" }, text)),
    );
  }
  return rote.make("table", { class: "listing" }, body);
};

rote.ID_LETTERS = 6; // as in rote.config.names

rote.runAddress = (id) => `${rote.page.root}run.html#${encodeURIComponent(id)}`;

rote.complain = (error) => {
  rote.find("content").prepend(rote.make("p", { class: "damaged", role: "alert" }, String(error)));
};

// Asks every two seconds while the page is seen; a 304 costs no work here. `take` may return true
// to say that there is nothing more to come.
rote.poll = (path, take) => {
  if (!rote.page.live) return;
  const text = rote.find("live");
  const address = `${rote.page.root}live/${path.split("/").map(encodeURIComponent).join("/")}.json`;
  let tag = null;
  let status = 0;
  const ask = async () => {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(address, { headers, cache: "no-store" });
    status = answer.status;
    if (status === 200) {
      tag = answer.headers.get("ETag");
      return take(await answer.json());
    }
    if (status !== 304) throw new Error(`${address}: ${status}`);
    return false;
  };
  const again = async () => {
    let over = false;
    status = 0;
    try {
      if (!document.hidden) over = await ask();
      text.textContent = "live";
      text.className = "";
    } catch (error) {
      text.textContent = status === 403
        ? "not live: rote serve was started again, with another address"
        : "not live: rote serve does not answer";
      text.className = "bound";
    }
    if (!over) setTimeout(again, rote.POLL_MS);
  };
  again();
};

// The bar and the words that the page came with, moved on.
rote.showCounts = (place, counts) => {
  const bar = rote.make("div", { class: "bar", "aria-hidden": "true" });
  for (const [part, number] of Object.entries(counts)) {
    const key = place.querySelector(`[data-part="${part}"]`);
    key.textContent = `${rote.number(number)} ${part}`;
    if (!number) continue;
    const piece = rote.make("span", { class: part });
    piece.style.flexGrow = number;
    bar.append(piece);
  }
  place.querySelector(".bar").replaceWith(bar);
};
