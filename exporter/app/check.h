// What is wrong with settings that could be read, or odd about them: what only files,
// folders and the clock tell. For --config.check, the start and each reload.
//
// Reads files; safe from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/flags.h"
#include "base/clock.h"
#include "base/log.h"
#include "settings/settings.h"
#include "web/web_config.h"

namespace wal_exporter::app {

struct Checked {
  std::vector<std::string> mistakes;  // each forbids a start and a reload
  std::size_t mistakes_in_web = 0;    // how many of them are of the web configuration file
  // Tokens and certificates that can't be read. A mistake in the file that is checked; one that runs looks
  // again at each question, so there it is a warning.
  std::vector<std::string> tokens;
  std::vector<std::string> warnings;
  web::WebConfig web;  // of --web.config.file; its users with the token for alerts
};

// A directory that hangs takes two seconds, and is known by its path alone.
[[nodiscard]] Checked check(const Flags& flags, const settings::Settings& settings,
                            const std::shared_ptr<Clock>& clock);

// An error of several lines as so many; `text` is one or more lines.
[[nodiscard]] std::vector<std::string> lines_of(const std::string& text);
// Each on a line of its own.
void log_each(const Log& log, spdlog::level::level_enum level, const std::vector<std::string>& lines);

}  // namespace wal_exporter::app
