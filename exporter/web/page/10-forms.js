// Text forms of numbers and times, as the exporter itself writes them.

const formatBytes = (bytes) => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit + 1 < units.length) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
};

// At most two units, rounded: "2h 5m", "43s", "850ms".
const formatSeconds = (seconds) => {
  if (seconds < 0.0005) return '0s';
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))}s`;
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 86400), 'd'], [Math.floor(whole / 3600) % 24, 'h'],
                 [Math.floor(whole / 60) % 60, 'm'], [whole % 60, 's']];
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => count + unit).join(' ');
};

const plural = (count, one, many = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
const formatFiles = (count) => plural(count, 'file');
const formatExtent = (extent) => `${formatFiles(extent.files)}, ${formatBytes(extent.bytes)}`;

const clockTime = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const dayTime = new Intl.DateTimeFormat(undefined, {month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const formatMoment = (time) => {
  const date = new Date(time);
  return Math.abs(Date.now() - date) < 12 * 3600e3 ? clockTime.format(date) : dayTime.format(date);
};

// Between the exporter's clock and this one, in milliseconds; from its Date and status.
let clockOffset = 0;
const now = () => Date.now() + clockOffset;
const formatAgo = (time) => {
  const seconds = (now() - Date.parse(time)) / 1000;
  if (seconds < -1) return `in ${formatSeconds(Math.round(-seconds))}`;
  return seconds < 1 ? 'just now' : `${formatSeconds(Math.round(seconds))} ago`;
};

const bySeverity = {critical: 0, unknown: 1, warning: 2, healthy: 3};
