// Elements. Text is always set as text, never as HTML.

const $ = (id) => document.getElementById(id);

// make('p', {class: 'x', title: 'y'}, 'text', element, …); null and false are left out.
const make = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
};

// Puts `children` in, unless the same is there already: focus, selection and what a
// screen reader is at stay undisturbed.
const fill = (element, ...children) => {
  const next = make('div', null, children);
  if (element.innerHTML === next.innerHTML) return;
  element.replaceChildren(...next.childNodes);
};
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const setAttribute = (element, name, value) => {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
};

const chip = (kind, text) => make('span', {class: `chip ${kind}`}, text || kind);
const nameOf = (name) => make('bdi', null, name);
const moment = (time) => make('time', {datetime: time, title: time}, formatMoment(time));
// Kept current by the clock in 90-main.js.
const ago = (time) => make('time', {datetime: time, title: time, 'data-ago': ''}, formatAgo(time));
const exactly = (value, text, what) => make('data', {value, 'data-what': what, title: what === 'bytes' ? `${value.toLocaleString('en')} bytes` : null}, text);

const announce = (text) => setText($('announce'), text);
