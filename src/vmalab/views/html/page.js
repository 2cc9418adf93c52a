// SPDX-License-Identifier: GPL-2.0-or-later
// What all pictures share: the page's data, numbers as people read them, colours, the text at the
// mouse, buttons.
"use strict";

const vmalabPage = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const hover = document.createElement("div");
  hover.className = "hover";
  hover.hidden = true;
  document.body.append(hover);

  const css = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const count = (number) => number.toLocaleString("en");

  function unitOf(bytes) {
    const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let at = 0;
    while (at < names.length - 1 && bytes >= 1024 ** (at + 1)) at++;
    return [names[at], 1024 ** at];
  }

  function size(bytes) {
    const [name, factor] = unitOf(bytes);
    const value = bytes / factor;
    return `${value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)} ${name}`;
  }

  // A call by its number: { line, tid, text, frames }; frames: [name, library, place] each.
  function call(number) {
    const [line, tid, stack, form, ...addresses] = data.calls[number];
    let at = 0;
    const text = data.forms[form].replace(/\0/g, () => `0x${addresses[at++]}`);
    return { line, tid, text, frames: data.stacks[stack].map((frame) => data.frames[frame]) };
  }

  // "line 12: munmap(...) = 0", the shortest way to say which call.
  function callText(number) {
    const { line, text } = call(number);
    return line ? `line ${count(line)}: ${text}` : text;
  }

  // Shows a text beside the mouse; an empty one: nothing.
  function showAt(text, { clientX, clientY }) {
    hover.hidden = !text;
    if (!text) return;
    hover.textContent = text;
    const box = hover.getBoundingClientRect();
    const left = clientX + 16 + box.width > innerWidth ? clientX - box.width - 16 : clientX + 16;
    hover.style.left = `${Math.max(4, left)}px`;
    hover.style.top = `${Math.max(4, Math.min(clientY + 16, innerHeight - box.height - 4))}px`;
  }

  const hideHover = () => { hover.hidden = true; };

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  // Buttons of which one is pressed; `chosen` hears which.
  function choice(box, label, names, pressed, chosen) {
    const group = element("span", { className: "choice", role: "group", ariaLabel: label });
    const buttons = names.map(([key, name]) => {
      const button = element("button", { type: "button", textContent: name });
      button.dataset.key = key;
      button.addEventListener("click", () => { press(key); chosen(key); });
      group.append(button);
      return button;
    });
    const press = (key) => buttons.forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.key === key)));
    press(pressed);
    box.append(group);
  }

  // Hears clicks that are no drags; (x, y) in pixels of the element.
  function onClick(target, heard) {
    let from = [0, 0];
    target.addEventListener("mousedown", (event) => { from = [event.clientX, event.clientY]; });
    target.addEventListener("click", (event) => {
      if (Math.hypot(event.clientX - from[0], event.clientY - from[1]) > 4) return;
      const box = target.getBoundingClientRect();
      heard(event.clientX - box.left, event.clientY - box.top, event);
    });
  }

  return { data, css, count, unitOf, size, call, callText, showAt, hideHover, element, choice, onClick };
})();
