#include "base/log.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/text.h"
#include "base/time.h"

namespace wal_exporter {
namespace {

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    default:
      return "error";
  }
}

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  for (const char c : to_valid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += digits[byte >> 4U];
      out += digits[byte & 0xFU];
    } else {
      out += c;
    }
  }
  out += '"';
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(LogFormat format) : format_(format) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string time = format_time(std::chrono::time_point_cast<Duration>(message.time));
    const std::string_view text(message.payload.data(), message.payload.size());
    std::string line;
    if (format_ == LogFormat::json) {
      line += "{\"time\":\"" + time + "\",\"level\":\"";
      line += level_name(message.level);
      line += "\",\"message\":";
      append_json_string(line, text);
      line += "}\n";
    } else {
      line += time;
      line += ' ';
      line += level_name(message.level);
      line.append(line.size() < time.size() + 6 ? 2 : 1, ' ');
      line += escape_control(text);
      line += '\n';
    }
    out.append(line.data(), line.data() + line.size());
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(format_);
  }

 private:
  LogFormat format_;
};

Result<spdlog::level::level_enum> parse_level(const std::string& level) {
  if (level == "debug") return spdlog::level::debug;
  if (level == "info") return spdlog::level::info;
  if (level == "warn") return spdlog::level::warn;
  if (level == "error") return spdlog::level::err;
  return failure(ErrorKind::invalid,
                 "'" + escape_control(level) + "' is not a log level; use debug, info, warn or error");
}

}  // namespace

Result<Log> make_log(const std::string& level, const std::string& format) {
  const auto parsed = parse_level(level);
  if (!parsed) return tl::unexpected(parsed.error());
  if (format != "text" && format != "json") {
    return failure(ErrorKind::invalid, "'" + escape_control(format) + "' is not a log format; use text or json");
  }
  auto log = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log->set_formatter(std::make_unique<LineFormatter>(format == "json" ? LogFormat::json : LogFormat::text));
  log->set_level(*parsed);
  log->flush_on(spdlog::level::debug);
  return log;
}

Log null_log() {
  return std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::null_sink_mt>());
}

}  // namespace wal_exporter
