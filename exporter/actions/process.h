// Runs one program to its end: no shell, a clean environment, bounded in time and
// in what is kept of its output.
//
// Free functions; safe from any thread, also while others open files or start
// programs of their own.
#pragma once

#include <cstddef>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace wal_exporter::actions {

inline constexpr std::size_t kOutputKept = 4096;  // bytes, the last ones

struct ProcessRequest {
  std::vector<std::string> arguments;  // the first is the absolute path of the program
  std::map<std::string, std::string> environment;
  Duration timeout{};
  // After a request to stop it may still end by itself for this long: half a
  // restart is worse than none.
  Duration stop_grace = std::chrono::seconds(8);
  // From SIGTERM to SIGKILL.
  Duration kill_grace = std::chrono::seconds(5);
};

struct ProcessEnd {
  int exit_code = -1;  // -1: ended by `signal`, or not known
  int signal = 0;
  bool timed_out = false;  // we ended it, for its time was over
  bool stopped = false;    // we ended it, for we were asked to stop
  // It has ended, and how went to somebody else: SIGCHLD is ignored, or another part
  // of the process waits for every child.
  bool status_lost = false;
  Duration elapsed{};
  std::string output;       // the end of what it wrote to stdout and stderr
  bool output_cut = false;  // there was more before
};

// It runs as leader of a session of its own, in /, with stdin from /dev/null, no
// other open file of ours, and every signal as at the start of a program. PATH and
// LANG are set unless `environment` has them. Past the limit its whole process
// group gets SIGTERM, then SIGKILL; what it left behind after an orderly end is
// left alone. An Error: it could not be started.
[[nodiscard]] Result<ProcessEnd> run_process(const ProcessRequest& request, const Clock& clock,
                                             const std::stop_token& stop);

// "exited with code 3 after 2s", "was ended by SIGSEGV after 1s", "did not end within 2m and was ended".
[[nodiscard]] std::string describe(const ProcessEnd& end, Duration timeout);

}  // namespace wal_exporter::actions
