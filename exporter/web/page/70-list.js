// The list of targets, the worst first, and what is said of all of them.

const byNeed = (left, right) => bySeverity[left.health] - bySeverity[right.health] || share(right) - share(left) ||
  left.name.localeCompare(right.name);
// Of the warning limit that is nearest.
const share = (target) => target.pending ? Math.max(target.pending.files / target.thresholds.warning_files,
                                                    target.pending.bytes / target.thresholds.warning_bytes) : 0;

const countsOf = (targets) => {
  const counts = {critical: 0, unknown: 0, warning: 0, healthy: 0};
  for (const target of targets) counts[target.health] += 1;
  return counts;
};

const summaryOf = (targets) => {
  if (targets.length === 0) return 'No target is known yet';
  const counts = countsOf(targets);
  if (targets.length === 1) return `${targets[0].name.length > 40 ? 'The target' : targets[0].name} is ${targets[0].health}`;
  if (counts.healthy === targets.length) return `All ${targets.length} targets are healthy`;
  const parts = ['critical', 'warning', 'unknown'].filter((level) => counts[level] > 0).map((level) => `${counts[level]} ${level}`);
  return `${parts.join(', ')} of ${targets.length} targets`;
};

const hashOf = (name) => `#target=${encodeURIComponent(name)}`;
const nameInHash = () => {
  const match = /^#target=(.*)$/.exec(location.hash);
  if (!match) return null;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return null;
  }
};

const listRow = (target, selected) => make('li', null,
  make('a', {href: hashOf(target.name), 'aria-current': target.name === selected ? 'true' : null, title: target.name},
       nameOf(target.name), chip(target.health),
       make('small', null, target.pending ? `${formatExtent(target.pending)} pending` : 'no sample yet')));

const showList = (targets, selected) => {
  const many = targets.length > 1;
  $('picker').hidden = !many;
  $('app').classList.toggle('many', many);
  setText($('summary'), summaryOf(targets));
  document.title = `${summaryOf(targets)} · InfluxDB WAL`;
  if (!many) return;
  const counts = countsOf(targets);
  fill($('counts'), Object.keys(counts).filter((level) => counts[level] > 0).map((level) => chip(level, `${counts[level]} ${level}`)));
  const wanted = $('filter').value.trim().toLowerCase();
  const shown = targets.filter((target) => `${target.name} ${target.health}`.toLowerCase().includes(wanted)).sort(byNeed);
  $('none-found').hidden = shown.length > 0;
  const list = $('targets');
  // Focus stays on the target it is on, wherever that one moves.
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  const place = list.scrollTop;
  fill(list, shown.map((target) => listRow(target, selected)));
  if (focused && !list.contains(document.activeElement)) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
  list.scrollTop = place;
};
