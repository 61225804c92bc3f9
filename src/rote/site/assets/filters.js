// From what is typed above a column to a test of its values.
"use strict";

rote.RANGE = /^\s*(-?[\d.]+(?:e[-+]?\d+)?)?\s*\.\.\s*(-?[\d.]+(?:e[-+]?\d+)?)?\s*$/i;
rote.COMPARISON = /^\s*(<=|>=|<|>|!=|=)\s*(-?[\d.]+(?:e[-+]?\d+)?)\s*$/i;
rote.COMPARE = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

// "3", "1..5", "..5", ">= 1e3", several with commas between; null where it is none of these.
rote.numberTest = (text) => {
  const tests = text.split(",").map(rote.oneNumberTest);
  if (tests.includes(null)) return null;
  return (value) => value !== null && tests.some((test) => test(value));
};

rote.oneNumberTest = (text) => {
  const range = rote.RANGE.exec(text);
  if (range) {
    const [low, high] = [Number(range[1] ?? -Infinity), Number(range[2] ?? Infinity)];
    return Number.isNaN(low + high) && range[1] + range[2] ? null : (v) => v >= low && v <= high;
  }
  const comparison = rote.COMPARISON.exec(text);
  if (comparison) {
    const [compare, bound] = [rote.COMPARE[comparison[1]], Number(comparison[2])];
    return (value) => compare(value, bound);
  }
  const equal = Number(text);
  return text.trim() === "" || Number.isNaN(equal) ? null : (value) => value === equal;
};

// Columns as the data file has them, with one way to ask for a value, whatever they hold.
rote.Column = class {
  constructor(plain) {
    Object.assign(this, plain);
    this.isNumber = plain.values !== undefined;
    this.label = this.unit ? `${this.title} (${this.unit})` : this.title;
  }

  written(index, isDone = true) {
    const value = this.at(index);
    if (value !== null) return rote.written(value, this.form);
    return this.group === "setting" || this.group === "standing" ? "none"
      : isDone ? "not measured" : "not yet";
  }

  at(index) {
    if (this.isNumber) return this.values[index];
    const code = this.codes[index];
    return code < 0 ? null : this.words[code];
  }

  // Live: whether that was another value before.
  set(index, value) {
    const isOther = this.at(index) !== value;
    if (this.isNumber) this.values[index] = value;
    else {
      const code = this.words.indexOf(value);
      this.codes[index] = code < 0 ? this.words.push(value) - 1 : code;
    }
    return isOther;
  }

  // Words are tested once each, not once a run.
  test(text) {
    if (this.isNumber) {
      const holds = rote.numberTest(text);
      return holds && ((index) => holds(this.values[index]));
    }
    const wanted = text.toLowerCase();
    const isWhole = text.startsWith("=");
    const good = this.words.map((word) =>
      isWhole ? word === text.slice(1) : word.toLowerCase().includes(wanted),
    );
    return (index) => this.codes[index] >= 0 && good[this.codes[index]];
  }

  // Without a value last, whichever way.
  compare(isDown) {
    const rank = this.isNumber ? this.values : this.ranks();
    const sign = isDown ? -1 : 1;
    return (a, b) => {
      const [x, y] = [rank[a], rank[b]];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return sign * (x - y) || a - b;
    };
  }

  ranks() {
    const order = [...this.words.keys()].sort((a, b) =>
      this.words[a].localeCompare(this.words[b], "en", { numeric: true }),
    );
    const rank = new Map(order.map((code, place) => [code, place]));
    return this.codes.map((code) => (code < 0 ? null : rank.get(code)));
  }

  distinct() {
    return this.isNumber ? new Set(this.values.filter((value) => value !== null)).size
      : this.words.length;
  }
};
