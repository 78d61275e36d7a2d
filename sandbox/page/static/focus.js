// Live updates and forms leave the focus where it was, on the same control of what was drawn again.
const CONTROLS = "button, a[href], select, input, textarea, [tabindex]";
const nameOf = (node) => node.dataset.action ?? node.dataset.input ?? node.getAttribute("aria-label") ?? node.textContent;

export function whereabouts() {
  const node = document.activeElement;
  const home = node?.closest("[id]");
  return home && node !== document.body ? { node, home: home.id, tag: node.tagName, name: nameOf(node) } : null;
}

// Gives the focus back only where it was lost: never away from what someone went to meanwhile.
export function giveBack(place) {
  if (!place || (document.activeElement && document.activeElement !== document.body)) return;
  const home = document.getElementById(place.home);
  const same = [...(home?.querySelectorAll(CONTROLS) ?? [])].find((node) => node.tagName === place.tag && nameOf(node) === place.name);
  for (const node of [place.node, same, home, document.getElementById("messages")]) {
    if (node?.isConnected) node.focus({ preventScroll: true });
    if (node && document.activeElement === node) return;
  }
}

export function keepingFocus(draw) {
  const place = whereabouts();
  draw();
  giveBack(place);
}
