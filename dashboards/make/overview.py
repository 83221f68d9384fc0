"""All targets: which one needs me."""

from build import (CAUSE_WORDS, HEALTH_WORDS, LAST_WORDS, OUTCOMES, at_least, annotation, cause_code, cell_colour, coloured,
                   dashboard, datasource_variable, events, graph, health_code, heading, last_succeeded, layout, link, now,
                   override, query, rows, share_of_limit, stat, steps, table, timeline, to_dashboard, variable, words)
from palette import BAD, GOOD, HEALTH, NEUTRAL, PENDING, WARNING

UID = "influxdb-wal-overview"
TITLE = "InfluxDB WAL / Overview"
SEL = 'job=~"$job",instance=~"$instance"'
DAY = 86400


def to_target(place):
    """From a row or a series to its target; `place` is where Grafana keeps the labels."""
    chosen = "&".join("var-%s=${%s.%s:percentencode}" % (name, place, name) for name in ("job", "instance", "target"))
    return [link("Target in depth", "/d/influxdb-wal-target?${datasource:queryparam}&" + chosen + "&${__url_time_range}")]


SERIES_LINK = to_target("__field.labels")


def number_of(health):
    return now(f'sum(influxdb_wal_health{{{SEL},status="{health}"}})', health)


def targets_with(number, health, description, expr=None):
    """How many targets have this health: in its colour unless there are none."""
    return stat(number, health.capitalize(), description, "none", [now(expr, health) if expr else number_of(health)],
                thresholds=steps(NEUTRAL, (1, HEALTH[health])), fill=True, decimals=0)


def worst_first():
    per = "max by (job, instance, target) ({})".format
    # (column, query, what the column looks like)
    columns = [
        ("health", health_code(SEL), dict(unit="none", mappings=HEALTH_WORDS, **cell_colour(), custom__width=95)),
        ("replay time after a restart", f"influxdb_wal_replay_estimate_seconds{{{SEL}}}", dict(unit="s", decimals=1)),
        ("pending files", f'influxdb_wal_files{{{SEL},state="pending"}}', dict(unit="none", decimals=0)),
        ("pending size", f'influxdb_wal_bytes{{{SEL},state="pending"}}', dict(unit="bytes", decimals=1)),
        ("of warning limit", share_of_limit("files", SEL) + " > " + share_of_limit("bytes", SEL) + " or "
         + share_of_limit("bytes", SEL),
         dict(unit="percentunit", decimals=0, thresholds=steps(GOOD, (1, WARNING)), **cell_colour("color-text"))),
        ("critical in", f'clamp_max(influxdb_wal_threshold_eta_seconds{{{SEL},level="critical"}}, {DAY})',
         dict(unit="s", decimals=0, mappings=at_least(DAY, "not within a day"))),
        ("not shrinking", cause_code(SEL), dict(unit="none", mappings=CAUSE_WORDS, **cell_colour("color-text"))),
        ("last checkpoint", f"1000 * influxdb_wal_last_checkpoint_timestamp_seconds{{{SEL}}}", dict(unit="dateTimeFromNow")),
        ("outcome", last_succeeded(SEL), dict(unit="none", mappings=LAST_WORDS, **cell_colour("color-text"))),
        ("blockers", f"sum without (blocker) (influxdb_wal_checkpoint_blocked{{{SEL}}})", dict(unit="none", decimals=0)),
    ]
    values = [f"Value #{chr(ord('A') + index)}" for index in range(len(columns))]
    names = {value: name for value, (name, _, _) in zip(values, columns)}
    order = [values[0], "target", *values[1:], "instance", "job"]
    return table(
        6, "Which target needs me",
        "A row per target, the worst first: critical, unknown (no fresh sample, so nothing acts), warning, healthy. The name of a "
        "target leads to its own dashboard. \"of warning limit\" is the larger share of count and size. Columns on "
        "shrinking are empty for InfluxDB 1 and 2; those on checkpoints until there was one.",
        "none", [rows(per(expr)) for _, expr, _ in columns],
        [("merge", {}),
         ("organize", {"excludeByName": {"Time": True}, "indexByName": {name: index for index, name in enumerate(order)},
                       "renameByName": names})],
        [override(name, **looks) for name, _, looks in columns]
        + [override("target", links=to_target("__data.fields"), custom__width=180)],
        sort="health")


def build():
    known = f"influxdb_wal_last_sample_success{{{SEL}}}"
    return dashboard(
        UID, TITLE, "All targets of influxdb_wal_exporter: which one needs a person, and what the exporters did.",
        [datasource_variable(),
         variable("job", "Job", "label_values(influxdb_wal_exporter_build_info, job)", True),
         variable("instance", "Exporter", 'label_values(influxdb_wal_exporter_build_info{job=~"$job"}, instance)', True)],
        layout(
            (4,
             (3, targets_with(1, "critical", "Targets far over a limit: the exporter makes checkpoints at once.")),
             (3, targets_with(2, "unknown", "Targets without a good sample for two intervals: nothing acts on them.",
                              f"count({known}) - sum(influxdb_wal_health{{{SEL}}})")),
             (3, targets_with(3, "warning", "Targets over a limit: a checkpoint starts when the cooldown allows.")),
             (3, targets_with(4, "healthy", "Targets within their limits.")),
             (4, stat(5, "Longest restart", "The longest replay that a restart of one of the servers would take now.", "s",
                      [now(f"max(influxdb_wal_replay_estimate_seconds{{{SEL}}})", "replay")], PENDING, decimals=1)),
             (4, stat(7, "Pending", "WAL data of all targets that restarts would replay.", "bytes",
                      [now(f'sum(influxdb_wal_bytes{{{SEL},state="pending"}})', "pending")], PENDING, decimals=1)),
             (4, stat(8, "Exporters down", "Exporters that Prometheus can't scrape: what they watched is watched by nobody.",
                      "none", [now(f"count(up{{{SEL}}}) - sum(up{{{SEL}}})", "down")],
                      thresholds=steps(NEUTRAL, (1, BAD)), fill=True, decimals=0,
                      links=[link("Exporters", "/d/influxdb-wal-exporter?${datasource:queryparam}&${job:queryparam}"
                                               "&${instance:queryparam}&${__url_time_range}")]))),
            (10, (24, worst_first())),
            (8, (24, timeline(9, "Health", "The health of each target over time; a gap: the exporter was not scraped. Click for the target.",
                              [query(health_code(SEL), "{{target}} ({{instance}})")], HEALTH_WORDS, SERIES_LINK,
                              legend=False))),
            (8,
             (12, graph(10, "Replay time after a restart", "Estimated from what is pending and the rate in the settings.", "s",
                        [query(f"influxdb_wal_replay_estimate_seconds{{{SEL}}}", "{{target}} ({{instance}})")],
                        minimum=0, data_links=SERIES_LINK, calcs=("lastNotNull", "max"))),
             (12, graph(11, "Pending size, of the warning limit", "Pending bytes by the warning limit; above 100 % the exporter "
                        "makes checkpoints.", "percentunit",
                        [query(share_of_limit("bytes", SEL), "{{target}} ({{instance}})")],
                        minimum=0, data_links=SERIES_LINK, calcs=("lastNotNull", "max")))),
            (8,
             (12, events(12, "Checkpoints by outcome", "Checkpoints of all targets that ended, by what the WAL showed "
                         "afterwards.", "none",
                         [query(f"sum by (outcome) (round(increase(influxdb_wal_checkpoints_total{{{SEL}}}[$__rate_interval])))",
                                "{{outcome}}")], coloured(*OUTCOMES), decimals=0)),
             (12, events(13, "Reclaimed by checkpoints", "Pending bytes that checkpoints made InfluxDB persist, by target.", "bytes",
                         [query("sum by (job, instance, target) (increase("
                                f"influxdb_wal_checkpoint_reclaimed_bytes_total{{{SEL}}}[$__rate_interval]))",
                                "{{target}} ({{instance}})")], data_links=SERIES_LINK))),
            heading(14, "Faults"),
            (6,
             (8, events(15, "Checkpoints that did not succeed", "Failed or unverified (the server said yes, the WAL doesn't "
                        "show it), by target.", "none",
                        [query("sum by (job, instance, target) (round(increase(influxdb_wal_checkpoints_total"
                               f'{{{SEL},outcome=~"failed|unverified"}}[$__rate_interval])))', "{{target}} ({{instance}})")],
                        data_links=SERIES_LINK, decimals=0)),
             (8, graph(16, "Damaged files", "WAL files that InfluxDB can't read whole; their writes are lost at its next "
                       "start.", "none",
                       [query(f"sum by (job, instance, target) (influxdb_wal_invalid_files{{{SEL}}})",
                              "{{target}} ({{instance}})")], minimum=0, decimals=0, data_links=SERIES_LINK)),
             (8, timeline(17, "InfluxDB answers", "Whether each server answered when last asked. Only targets with a URL.",
                          [query(f"influxdb_wal_server_up{{{SEL}}}", "{{target}} ({{instance}})")],
                          words({0: ("no", BAD), 1: ("yes", GOOD)}), SERIES_LINK, legend=False)))),
        [to_dashboard("Target in depth", "influxdb-wal-target"),
         to_dashboard("Exporter", "influxdb-wal-exporter", "job", "instance")],
        [annotation("Health changes", f'sum by (target) (increase(influxdb_wal_events_total{{{SEL},type="wal.health"}}[$__rate_interval]))',
                    WARNING, "health changed", "{{target}}", "target"),
         annotation("Restarts considered", f"sum by (target) (increase(influxdb_wal_restart_considerations_total{{{SEL}}}[$__rate_interval]))",
                    BAD, "restart considered", "{{target}}", "target")])
