// Pending (and on 3.x retained) over time, with the limits and the checkpoints.

const colorOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Chart {
  constructor() {
    // These write style attributes, which the policy of this page forbids, and are not used.
    Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend && plugin !== Dygraph.Plugins.RangeSelector);
    this.show = 'bytes';
    this.hours = 6;
    this.points = [];
    this.runs = [];
    this.thresholds = null;
    this.graph = null;
    for (const button of document.querySelectorAll('[data-show], [data-hours]')) {
      button.addEventListener('click', () => {
        if (button.dataset.show) this.show = button.dataset.show;
        else this.hours = Number(button.dataset.hours);
        for (const other of button.parentElement.children) setAttribute(other, 'aria-pressed', other === button);
        this.draw();
      });
    }
    $('numbers').addEventListener('toggle', () => this.tabulate());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
    new ResizeObserver(() => this.graph && this.graph.resize()).observe($('chart'));
  }

  // `samples` as the API gives them.
  set(samples, thresholds, runs) {
    this.points = samples.map((sample) => ({...sample, at: Date.parse(sample.time)}));
    this.thresholds = thresholds;
    this.runs = runs;
    this.draw();
  }

  // What the target says now, where that is a new look.
  add(target) {
    this.thresholds = target.thresholds;
    const at = Date.parse(target.sampled_at);
    const last = this.points[this.points.length - 1];
    if (!target.pending || (last && last.at >= at)) return;
    this.points.push({time: target.sampled_at, at, health: target.health,
                      pending_files: target.pending.files, pending_bytes: target.pending.bytes,
                      retained_files: target.retained.files, retained_bytes: target.retained.bytes});
    if (this.points.length > 4000) this.points.splice(0, 1000);
    this.draw();
  }

  visible() {
    const from = now() - this.hours * 3600e3;
    return this.points.filter((point) => point.at >= from);
  }

  text(value) {
    return this.show === 'bytes' ? formatBytes(Math.round(value)) : formatFiles(Math.round(value));
  }

  draw() {
    const shown = this.visible();
    const key = (kind) => `${kind}_${this.show}`;
    const known = shown.filter((point) => point.pending_bytes !== null);
    this.describe(known);
    this.tabulate();
    if (known.length < 2) {
      this.forget();
      fill($('legend'));
      fill($('chart'), make('p', {class: 'empty'}, 'The chart begins with the second sample.'));
      return;
    }
    const retained = known.some((point) => point.retained_files > 0);
    const rows = shown.map((point) => [new Date(point.at), point[key('pending')], ...(retained ? [point[key('retained')]] : [])]);
    let top = Math.max(...known.map((point) => point[key('pending')]), 1);
    const warning = this.thresholds[`warning_${this.show}`];
    const critical = this.thresholds[`critical_${this.show}`];
    // Far below the limits the shape says more than the distance, which stands beside the chart.
    if (top > warning * 0.1) top = Math.max(top, warning, top > warning * 0.9 ? critical : 0);
    top *= 1.12;
    this.tellLegend(retained, warning < top, critical < top);
    if (retained) top = Math.max(top, ...known.map((point) => point[key('retained')] * 1.12));
    const until = Math.max(now(), rows[rows.length - 1][0].getTime());
    const from = Math.max(until - this.hours * 3600e3, rows[0][0].getTime());
    this.fine = until - from < 15 * 60e3;
    const options = {
      file: rows,
      labels: ['Time', 'pending', ...(retained ? ['retained'] : [])],
      valueRange: [0, top],
      dateWindow: [from, until],
      ...this.looks(retained),
    };
    if (this.graph) {
      this.graph.updateOptions(options);
      return;
    }
    $('chart').replaceChildren();
    const {file, ...rest} = options;
    this.graph = new Dygraph($('chart'), file, rest);
  }

  looks(retained) {
    const sizes = this.show === 'bytes';
    return {
      colors: [colorOf('--pending-text'), ...(retained ? ['#8250df'] : [])],
      fillGraph: true, fillAlpha: 0.16, strokeWidth: 2, gridLineColor: colorOf('--line'), axisLineColor: colorOf('--line'),
      legend: 'never', interactionModel: {}, highlightCircleSize: 4, labelsKMG2: sizes,
      series: retained ? {retained: {fillGraph: false, strokeWidth: 1.5}} : {},
      axes: {
        y: {axisLabelWidth: sizes ? 72 : 46, pixelsPerLabel: 40,
            axisLabelFormatter: (value) => sizes ? formatBytes(Math.round(value)).replace('.0 ', ' ') : String(Math.round(value))},
        x: {axisLabelFormatter: (date) => new Intl.DateTimeFormat(undefined, {
          hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(this.fine ? {second: '2-digit'} : {})}).format(date),
            axisLabelWidth: 66, pixelsPerLabel: 90},
      },
      highlightCallback: (_event, _x, _points, row) => this.tell(row),
      unhighlightCallback: () => setText($('readout'), ''),
      underlayCallback: (canvas, area, graph) => this.underlay(canvas, area, graph),
    };
  }

  underlay(canvas, area, graph) {
    canvas.save();
    canvas.lineWidth = 1.5;
    const [from, to] = graph.xAxisRange();
    for (const run of this.runs) {
      const at = Date.parse(run.ended);
      if (at < from || at > to) continue;
      canvas.strokeStyle = {succeeded: '#1a7f37', no_op: '#57606a', busy: '#9a6700', failed: '#cf222e', unverified: '#bc4c00'}[run.outcome] || '#57606a';
      const x = graph.toDomXCoord(at);
      canvas.beginPath();
      canvas.moveTo(x, area.y);
      canvas.lineTo(x, area.y + area.h);
      canvas.stroke();
    }
    canvas.setLineDash([6, 4]);
    for (const [level, stroke] of [['warning', colorOf('--warning-line')], ['critical', colorOf('--critical-line')]]) {
      const y = graph.toDomYCoord(this.thresholds[`${level}_${this.show}`]);
      if (!(y >= area.y && y <= area.y + area.h)) continue;
      canvas.strokeStyle = stroke;
      canvas.beginPath();
      canvas.moveTo(area.x, y);
      canvas.lineTo(area.x + area.w, y);
      canvas.stroke();
    }
    canvas.restore();
  }

  tellLegend(retained, warning, critical) {
    const limit = (level, shown) => make('li', {class: level},
      `${level} limit${shown ? '' : ` (${this.text(this.thresholds[`${level}_${this.show}`])}, above this)`}`);
    fill($('legend'), make('li', null, 'pending'), retained && make('li', {class: 'retained'}, 'retained'),
         limit('warning', warning), limit('critical', critical), make('li', {class: 'checkpoint'}, 'checkpoint'));
  }

  tell(row) {
    const point = this.visible()[row];
    if (!point || point.pending_bytes === null) return;
    setText($('readout'), `${formatMoment(point.time)}: ${formatFiles(point.pending_files)}, ${formatBytes(point.pending_bytes)} pending, ${point.health}`);
  }

  describe(known) {
    if (known.length === 0) {
      setAttribute($('chart'), 'aria-label', 'No samples yet');
      return;
    }
    const values = known.map((point) => point[`pending_${this.show}`]);
    setAttribute($('chart'), 'aria-label', `Pending ${this.show === 'bytes' ? 'size' : 'files'} over the last ${this.hours === 1 ? 'hour' : `${this.hours} hours`}: ` +
      `now ${this.text(values[values.length - 1])}, lowest ${this.text(Math.min(...values))}, highest ${this.text(Math.max(...values))}; ` +
      `warning above ${this.text(this.thresholds[`warning_${this.show}`])}, critical above ${this.text(this.thresholds[`critical_${this.show}`])}`);
  }

  tabulate() {
    if (!$('numbers').open) return;
    const rows = this.visible().slice(-500).reverse().map((point) => make('tr', null,
      make('td', {class: 'nowrap'}, moment(point.time)), make('td', null, point.health),
      make('td', {class: 'number'}, point.pending_files === null ? '' : point.pending_files),
      make('td', {class: 'number nowrap'}, point.pending_bytes === null ? '' : formatBytes(point.pending_bytes))));
    fill($('numbers').querySelector('tbody'), rows);
  }

  forget() {
    if (this.graph) this.graph.destroy();
    this.graph = null;
  }
}
