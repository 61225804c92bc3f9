// The list of sweeps: a search, and counts that move.
"use strict";

{
  const search = rote.find("search");
  const entries = [...document.querySelectorAll(".sweeps > li")]; // comparisons among them

  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const entry of entries) {
      const text = entry.textContent.toLowerCase();
      entry.hidden = !words.every((word) => text.includes(word));
    }
  });

  rote.poll("index", (counts) => {
    if (Object.keys(counts).some((name) => !entries.find((entry) => entry.dataset.name === name))) {
      location.reload(); // a sweep was launched: its card is made by the server
      return true;
    }
    for (const entry of entries) {
      const found = counts[entry.dataset.name];
      if (found) rote.showCounts(entry.querySelector(".standing"), found);
    }
    return false;
  });
}
