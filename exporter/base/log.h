// The log: spdlog to stderr, levels debug, info, warn, error, as text or JSON.
//
// Loggers are passed to whoever logs; there is no global one. Safe from any
// thread. Every message is one line: control characters are escaped.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace wal_exporter {

enum class LogFormat { text, json };

using Log = std::shared_ptr<spdlog::logger>;

// `level`: debug, info, warn or error; `format`: text or json. Anything else is
// an error that lists these.
[[nodiscard]] Result<Log> make_log(const std::string& level, const std::string& format);

// Swallows everything: for tests and for --once.
[[nodiscard]] Log null_log();

}  // namespace wal_exporter
