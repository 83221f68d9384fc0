"""Panels, queries and variables as Grafana 9 to 11 reads them. What a panel shows is
said in overview.py, target.py and exporter.py."""

from palette import BAD, GOOD, NEUTRAL, OUTCOME, PENDING, WARNING, WORDS

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "influxdb-wal"


# Queries

def query(expr, legend="__auto", instant=False, table=False):
    """`refId` is given when the panel is made."""
    return {"datasource": DATASOURCE, "editorMode": "code", "expr": expr,
            "format": "table" if table else "time_series",
            "instant": instant, "range": not instant, "legendFormat": legend}


def now(expr, legend="__auto"):
    """The value at the end of the time range."""
    return query(expr, legend, instant=True)


def rows(expr):
    """The values at the end of the time range, a row per series."""
    return query(expr, instant=True, table=True)


# Colours and words

def steps(base, *pairs):
    """Colours by value: `base`, then (from, colour)."""
    return {"mode": "absolute",
            "steps": [{"color": base, "value": None}] + [{"color": colour, "value": value} for value, colour in pairs]}


def words(pairs):
    """{value: (word, colour)} as value mappings."""
    options = {str(value): {"color": colour, "index": index, "text": word}
               for index, (value, (word, colour)) in enumerate(pairs.items())}
    return [{"type": "value", "options": options}]


def at_least(value, text, colour=GOOD):
    return [{"type": "range", "options": {"from": value, "to": None, "result": {"color": colour, "index": 0, "text": text}}}]


def coloured(*names):
    """Series called by a word have its colour."""
    return [override(name, color={"mode": "fixed", "fixedColor": WORDS[name]}) for name in names]


def override(name, **properties):
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]}


def limit(name):
    """A limit is a dashed line in the colour of what it leads to."""
    return override(f"{name} limit", color={"mode": "fixed", "fixedColor": WORDS[name]},
                    custom__lineStyle={"fill": "dash", "dash": [10, 10]}, custom__lineWidth=1, custom__fillOpacity=0)


# Links

def link(title, url):
    return {"targetBlank": False, "title": title, "url": url}


def runbooks(*alerts):
    """To what to do about the alerts that watch what a panel shows."""
    return [{"targetBlank": True, "title": f"Runbook InfluxDBWAL{alert}", "url": "${runbooks}/InfluxDBWAL" + alert + ".md"}
            for alert in alerts]


def to_dashboard(title, uid, *carried):
    """A link at the top of a dashboard; `carried` are the variables that go with it."""
    url = f"/d/{uid}?" + "&".join("${%s:queryparam}" % name for name in ("datasource",) + carried)
    return {"asDropdown": False, "icon": "dashboard", "includeVars": False, "keepTime": True, "tags": [],
            "targetBlank": False, "title": title, "tooltip": "", "type": "link", "url": url}


# Panels

def panel(kind, number, title, description, unit, queries, options, defaults=None, overrides=(), links=(), interval=None,
          transformations=()):
    targets = [{**one, "refId": chr(ord("A") + index)} for index, one in enumerate(queries)]
    made = {"id": number, "type": kind, "title": title, "description": description, "datasource": DATASOURCE,
            "gridPos": {},
            "fieldConfig": {"defaults": {"color": {"mode": "thresholds"}, "mappings": [], "thresholds": steps(NEUTRAL),
                                         "unit": unit, **(defaults or {})},
                            "overrides": list(overrides)},
            "options": options, "targets": targets}
    if links:
        made["links"] = list(links)
    if interval:
        made["interval"] = interval
    if transformations:
        made["transformations"] = [{"id": name, "options": values} for name, values in transformations]
    return made


def stat(number, title, description, unit, queries, colour=None, thresholds=None, mappings=(), text="auto", fill=False,
         nothing=None, decimals=None, links=(), data_links=(), overrides=()):
    """One number or word, large. `fill`: the colour is the background; `nothing`: what stands there without a value."""
    defaults = {"thresholds": thresholds or steps(colour or NEUTRAL), "mappings": list(mappings)}
    if nothing is not None:
        defaults["noValue"] = nothing
    if decimals is not None:
        defaults["decimals"] = decimals
    if data_links:
        defaults["links"] = list(data_links)
    options = {"colorMode": "background" if fill else "value", "graphMode": "none", "justifyMode": "auto",
               "orientation": "auto", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
               "textMode": text}
    return panel("stat", number, title, description, unit, queries, options, defaults, overrides, links)


def bars(number, title, description, unit, queries, thresholds, maximum=1, links=()):
    """Bars that fill up towards `maximum`."""
    options = {"displayMode": "basic", "minVizHeight": 10, "minVizWidth": 0, "orientation": "horizontal",
               "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
               "showUnfilled": True, "valueMode": "color"}
    defaults = {"thresholds": thresholds, "min": 0, "max": maximum, "decimals": 0}
    return panel("bargauge", number, title, description, unit, queries, options, defaults, (), links)


def graph(number, title, description, unit, queries, overrides=(), style="line", stacked=False, minimum=None, maximum=None,
          decimals=None, fill=10, steps_after=False, data_links=(), links=(), interval=None, calcs=("lastNotNull",), points="auto"):
    custom = {"axisLabel": "", "axisPlacement": "auto", "barAlignment": 0, "drawStyle": style, "fillOpacity": fill,
              "gradientMode": "none", "hideFrom": {"legend": False, "tooltip": False, "viz": False},
              "lineInterpolation": "stepAfter" if steps_after else "linear", "lineWidth": 2 if style == "line" else 1,
              "pointSize": 5, "scaleDistribution": {"type": "linear"}, "showPoints": points, "spanNulls": False,
              "stacking": {"group": "A", "mode": "normal" if stacked else "none"}, "thresholdsStyle": {"mode": "off"}}
    defaults = {"color": {"mode": "palette-classic"}, "custom": custom}
    for key, value in (("min", minimum), ("max", maximum), ("decimals", decimals)):
        if value is not None:
            defaults[key] = value
    if data_links:
        defaults["links"] = list(data_links)
    options = {"legend": {"calcs": list(calcs), "displayMode": "table", "placement": "bottom", "showLegend": True},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", number, title, description, unit, queries, options, defaults, overrides, links, interval)


def events(number, title, description, unit, queries, overrides=(), calcs=("max",), **rest):
    """Bars where something happened: one per minute at most, so that windows hardly overlap."""
    return graph(number, title, description, unit, queries, overrides, style="bars", stacked=True, minimum=0, fill=80,
                 interval="1m", calcs=calcs, points="never", **rest)


def timeline(number, title, description, queries, mappings, data_links=(), links=(), legend=True):
    options = {"alignValue": "left", "legend": {"displayMode": "list", "placement": "bottom", "showLegend": legend},
               "mergeValues": True, "rowHeight": 0.85, "showValue": "auto", "tooltip": {"mode": "single", "sort": "none"}}
    defaults = {"mappings": mappings,
                "custom": {"fillOpacity": 85, "hideFrom": {"legend": False, "tooltip": False, "viz": False},
                           "lineWidth": 0, "spanNulls": False}}
    if data_links:
        defaults["links"] = list(data_links)
    return panel("state-timeline", number, title, description, "none", queries, options, defaults, (), links)


def table(number, title, description, unit, queries, transformations, overrides=(), sort=None, links=(), defaults=None):
    options = {"cellHeight": "sm", "footer": {"countRows": False, "fields": "", "reducer": ["sum"], "show": False},
               "showHeader": True, "sortBy": [{"displayName": sort, "desc": True}] if sort else []}
    custom = {"align": "auto", "cellOptions": {"type": "auto"}, "displayMode": "auto", "filterable": False, "inspect": False}
    return panel("table", number, title, description, unit, queries, options, {"custom": custom, **(defaults or {})},
                 overrides, links, None, transformations)


def cell_colour(kind="color-background"):
    """Cells in the colour of their value: displayMode is read by Grafana 9.0 to 9.4, cellOptions by those after it."""
    options = {"type": kind} if kind == "color-text" else {"type": kind, "mode": "basic"}
    return {"custom__cellOptions": options, "custom__displayMode": kind}


def heading(number, title):
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": {}, "panels": []}


# Layout

def layout(*lines):
    """Each line is (height, (width, panel), ...) on Grafana's grid of 24 columns, or a heading."""
    panels, y = [], 0
    for line in lines:
        if isinstance(line, dict):
            line["gridPos"] = {"h": 1, "w": 24, "x": 0, "y": y}
            panels.append(line)
            y += 1
            continue
        height, *places = line
        x = 0
        for width, made in places:
            made["gridPos"] = {"h": height, "w": width, "x": x, "y": y}
            panels.append(made)
            x += width
        assert x == 24, [made["title"] for _, made in places]
        y += height
    return panels


# Variables

def datasource_variable():
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "regex": "",
            "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1, "skipUrlSync": False}


def variable(name, label, text, several):
    """The values of a label; `several`: any number of them, all unless chosen."""
    made = {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": text,
            "query": {"query": text, "refId": name}, "regex": "", "hide": 0, "includeAll": several, "multi": several,
            "options": [], "refresh": 2, "skipUrlSync": False, "sort": 1}
    if several:
        made["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return made


def runbooks_variable():
    """Where the runbooks are kept; its text goes before their file names."""
    value = {"selected": True, "text": "/rules/runbooks", "value": "/rules/runbooks"}
    return {"name": "runbooks", "label": "Runbooks at", "type": "textbox", "query": value["value"], "current": value,
            "options": [value], "hide": 0, "skipUrlSync": False}


# Annotations

def annotation(name, expr, colour, title, text="", tags="", enabled=True):
    """Marks where `expr` is above 0; Grafana joins neighbouring points to one mark."""
    return {"datasource": DATASOURCE, "enable": enabled, "expr": expr, "hide": False, "iconColor": colour, "name": name,
            "step": "30s", "tagKeys": tags, "textFormat": text, "titleFormat": title, "useValueForTime": False}


def dashboard(uid, title, description, variables, panels, links, annotations=(), time="now-6h"):
    own = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
           "iconColor": PENDING, "name": "Annotations & Alerts", "type": "dashboard"}
    return {"uid": uid, "title": title, "description": description, "tags": ["influxdb", TAG], "editable": False,
            "timezone": "utc", "schemaVersion": 37, "version": 1, "id": None, "graphTooltip": 1, "refresh": "30s",
            "time": {"from": time, "to": "now"}, "timepicker": {}, "weekStart": "", "fiscalYearStartMonth": 0,
            "liveNow": False, "links": list(links), "templating": {"list": list(variables)},
            "annotations": {"list": [own, *annotations]}, "panels": panels}


# What several dashboards say

# Sorted by who needs a person: unknown is worse than warning, for then nothing acts.
HEALTH_WORDS = words({0: ("healthy", GOOD), 1: ("warning", WARNING), 2: ("unknown", NEUTRAL), 3: ("critical", BAD)})
CAUSE_WORDS = words({0: ("none", GOOD), 1: ("too_few_files", WORDS["too_few_files"]), 2: ("idle", WORDS["idle"]),
                     3: ("future_data", WORDS["future_data"]), 4: ("stalled", WORDS["stalled"])})
LAST_WORDS = words({0: ("not succeeded", BAD), 1: ("succeeded", OUTCOME["succeeded"])})
OUTCOMES = tuple(OUTCOME)


def health_code(selector):
    return ("2 + sum without (status) ("
            f'influxdb_wal_health{{{selector},status="critical"}}'
            f' or -1 * influxdb_wal_health{{{selector},status="warning"}}'
            f' or -2 * influxdb_wal_health{{{selector},status="healthy"}})')


def cause_code(selector):
    causes = ("too_few_files", "idle", "future_data", "stalled")
    return "sum without (cause) (" + " or ".join(
        (f"{number} * " if number > 1 else "") + f'influxdb_wal_pending_cause{{{selector},cause="{cause}"}}'
        for number, cause in enumerate(causes, 1)) + ")"


def share_of_limit(what, selector, level="warning"):
    """Pending files or bytes by the limit; 1: reached."""
    return (f'sum without (state) (influxdb_wal_{what}{{{selector},state="pending"}})'
            f' / sum without (level) (influxdb_wal_threshold_{what}{{{selector},level="{level}"}})')


def last_succeeded(selector):
    """1: the last checkpoint that did something succeeded, 0: it did not."""
    return (f"(influxdb_wal_last_successful_checkpoint_timestamp_seconds{{{selector}}}"
            f" >= bool influxdb_wal_last_checkpoint_timestamp_seconds{{{selector}}})"
            f" or 0 * influxdb_wal_last_checkpoint_timestamp_seconds{{{selector}}}")
