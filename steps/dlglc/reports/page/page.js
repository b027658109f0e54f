"use strict";
// Without this script, each slider shows its last frame, and each choice its first figure.

for (const figure of document.querySelectorAll(".slider")) {
  const input = figure.querySelector("input");
  const texts = JSON.parse(figure.dataset.frames);
  const show = () => {
    for (const frame of figure.querySelectorAll(".frame")) {
      frame.classList.toggle("shown", frame.dataset.frame === input.value);
    }
    const text = texts[input.value - input.min];
    figure.querySelector("output").textContent = input.value;
    figure.querySelector(".said").textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", show);
  show(); // a reloaded page may remember another position
}

for (const choice of document.querySelectorAll(".choice")) {
  const inputs = choice.querySelectorAll("input");
  const show = () => {
    for (const input of inputs) {
      choice.querySelector(`[data-choice="${input.value}"]`).hidden = !input.checked;
    }
  };
  for (const input of inputs) input.addEventListener("input", show);
  show();

  // The point nearest to the pointer is named below the figure.
  const points = JSON.parse(choice.dataset.points);
  for (const chosen of points.length ? choice.querySelectorAll(".chosen") : []) {
    const order = JSON.parse(chosen.dataset.order);
    const svg = chosen.querySelector("svg");
    const marks = [...svg.querySelectorAll(".points use")].map((mark) => [mark.x.baseVal.value, mark.y.baseVal.value]);
    svg.addEventListener("pointermove", (event) => {
      const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let nearest = -1;
      let least = 8;
      marks.forEach(([x, y], number) => {
        const distance = Math.hypot(x - place.x, y - place.y);
        if (distance < least) [nearest, least] = [number, distance];
      });
      choice.querySelector(".point").textContent = nearest < 0 ? "" : points[order[nearest]];
    });
  }
}
