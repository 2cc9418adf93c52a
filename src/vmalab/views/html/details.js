// SPDX-License-Identifier: GPL-2.0-or-later
// What a click leads to: the call with its line and its stack, the VMA, and why it stays apart.
"use strict";

const vmalabDetails = (() => {
  const { count, call, element } = vmalabPage;
  const panel = document.getElementById("details");

  function close() {
    panel.hidden = true;
    document.body.classList.remove("with-details");
  }

  function listOf(facts) {
    const list = element("dl");
    for (const [name, value] of facts) {
      if (value) list.append(element("dt", { textContent: name }), element("dd", { textContent: value }));
    }
    return list;
  }

  // title, facts: [name, value] each; calls: [heading, number of a call] each. ofRange: whether a
  // range of the map is told of; otherwise the first range that a call made so is told of with it.
  function show({ title, facts = [], calls = [], ofRange = false }) {
    const shut = element("button", { type: "button", className: "shut", textContent: "close" });
    shut.addEventListener("click", close);
    panel.replaceChildren(shut, element("h2", { textContent: title }), listOf(facts));
    for (const [heading, number] of calls) {
      if (!number) continue;
      panel.append(...parts(heading, call(number)));
      const range = ofRange ? null : VmalabMap.ofCall(number);
      if (!range) continue;
      panel.append(element("h3", { textContent: `The range ${range.title}` }),
        element("p", { className: "note", textContent: "as this call left it" }), listOf(range.facts));
    }
    panel.hidden = false;
    panel.scrollTop = 0;
    document.body.classList.add("with-details");
  }

  function parts(heading, { line, tid, text, frames }) {
    const where = [line ? `line ${count(line)} of the log` : "", tid ? `thread ${tid}` : ""];
    const found = [
      element("h3", { textContent: heading }),
      element("p", { className: "note", textContent: where.filter(Boolean).join(", ") }),
      element("p", { className: "call", textContent: text }),
    ];
    if (!frames.length) {
      const none = "No stack was recorded (record -k keeps stacks).";
      return tid ? [...found, element("p", { className: "note", textContent: none })] : found;
    }
    const stack = element("ol", { className: "stack" });
    for (const [name, library, place] of frames) {
      const row = element("li", {}, element("b", { textContent: name }));
      row.append(` ${library === name ? "" : library}`);
      if (place) row.append(element("span", { className: "place", textContent: place }));
      stack.append(row);
    }
    return [...found, stack];
  }

  addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  // Rows of tables, and statements, that belong to a call.
  document.querySelectorAll("[data-call]").forEach((row) => {
    const open = () => show({ title: row.querySelector("h2, td:last-child").textContent,
      calls: [["The call", Number(row.dataset.call)]] });
    row.addEventListener("click", open);
    row.addEventListener("keydown", (event) => { if (event.key === "Enter") open(); });
  });

  return { show, close };
})();
