// Real programs: that hang, ignore SIGTERM, write megabytes, leave children behind.
#include "actions/command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "actions/process.h"
#include "base/descriptors.h"
#include "base/file.h"
#include "support.h"

namespace wal_exporter::actions {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Command : public ::testing::Test {
 protected:
  // A script of /bin/sh; its path.
  std::string script(const std::string& text, mode_t mode = 0755) {
    const std::string path = (folder_.path() / "restart").string();
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    ::chmod(path.c_str(), mode);
    return path;
  }
  [[nodiscard]] std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  Result<std::string> restart(std::vector<std::string> arguments, Duration timeout = 1min,
                              std::map<std::string, std::string> environment = {}, std::stop_token stop = {}) {
    return make_command_restart({std::move(arguments), std::move(environment), timeout}, clock_)->restart(stop);
  }
  std::string error_of(std::vector<std::string> arguments, Duration timeout = 1min) {
    const auto result = restart(std::move(arguments), timeout);
    return result ? "it worked: " + *result : result.error().message;
  }

  TempDir folder_;
  std::shared_ptr<const Clock> clock_ = std::make_shared<SystemClock>();
};

TEST_F(Command, ThatEndsWithZeroIsASuccess) {
  const auto result = restart({script("exit 0")});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_THAT(*result, AllOf(HasSubstr("/restart"), HasSubstr("exited with code 0 after ")));
}

TEST_F(Command, ThatFailsIsToldWithItsCodeAndWhatItWroteOnOneLine) {
  EXPECT_THAT(error_of({script("echo out; echo 'err \"x\"' >&2; exit 7")}),
              AllOf(HasSubstr("exited with code 7 after "), EndsWith("; its output: out\\nerr \"x\"\\n")));
  EXPECT_THAT(error_of({script("exit 1")}), EndsWith("; it wrote nothing"));
}

TEST_F(Command, HasTheLimitOnOpenFilesThatWeWereStartedWith) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GT(before.rlim_max, 300U);
  rlimit low = before;
  low.rlim_cur = 300;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  raise_descriptor_limit();
  rlimit raised{};
  ::getrlimit(RLIMIT_NOFILE, &raised);
  EXPECT_EQ(raised.rlim_cur, before.rlim_max);
  // Not before the limit is there: it is set from outside.
  EXPECT_THAT(error_of({script("while [ \"$(ulimit -Sn)\" != 300 ]; do :; done; ulimit -Sn; exit 7")}, 10s),
              EndsWith("; its output: 300\\n"));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(Command, ThatWritesASecretIsToldWithoutIt) {
  std::ofstream(folder_.path() / "token") << "T0ken-that-a-script-shows\n";
  ASSERT_TRUE(read_secret(folder_.path() / "token", "token file"));
  EXPECT_THAT(error_of({script("echo 'sent Authorization: Token T0ken-that-a-script-shows'; exit 7")}),
              EndsWith("; its output: sent Authorization: Token [secret]\\n"));
}

TEST_F(Command, ThatIsEndedByASignalIsToldWithItsName) {
  EXPECT_THAT(error_of({script("kill -KILL $$")}), HasSubstr("was ended by SIGKILL after "));
}

TEST_F(Command, GetsItsArgumentsAsTheyAreWithoutAShell) {
  const auto result = restart({script("printf '%s|' \"$@\" >" + file("seen")), "a b", "$HOME", "*", "", "; exit 9"});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(content(file("seen")), "a b|$HOME|*||; exit 9|");
}

TEST_F(Command, GetsPathAndLangAndWhatTheSettingsGive) {
  ::setenv("WAL_EXPORTER_SECRET", "s3cret", 1);
  const auto result = restart({"/usr/bin/env"}, 1min, {{"WHY", "it's = full\n"}});
  ASSERT_TRUE(result.has_value());
  const auto end = run_process({{"/usr/bin/env"}, {{"WHY", "it's full"}}, 1min}, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->output,
            "LANG=C.UTF-8\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nWHY=it's full\n");
}

TEST_F(Command, MayBeGivenAnotherPath) {
  const auto end = run_process({{"/usr/bin/env"}, {{"PATH", "/opt"}, {"LANG", "de"}}, 1min}, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->output, "LANG=de\nPATH=/opt\n");
}

TEST_F(Command, GetsNoOpenFileOfOursAndReadsNothing) {
  // Without close-on-exec: a library may have been careless.
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Fd careless(::fcntl(null.get(), F_DUPFD, 50));
  ASSERT_GE(careless.get(), 50);
  const auto end = run_process({{"/bin/ls", "-l", "/proc/self/fd"}, {}, 1min}, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(end->output, AllOf(HasSubstr(" 0 -> /dev/null"), HasSubstr(" 1 -> pipe:"), HasSubstr(" 2 -> pipe:")));
  EXPECT_THAT(end->output, Not(HasSubstr(" " + std::to_string(careless.get()) + " -> ")));
}

TEST_F(Command, HasNoSignalBlockedOrIgnoredAndIsASessionOfItsOwn) {
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigaddset(&blocked, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  const auto end = run_process({{"/bin/cat", "/proc/self/status", "/proc/self/stat"}, {}, 1min}, *clock_, {});
  ::signal(SIGPIPE, old);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(end.has_value());
  const auto mask = [&](const std::string& name) {
    return std::stoull(end->output.substr(end->output.find(name + ":\t") + name.size() + 2, 16), nullptr, 16);
  };
  EXPECT_EQ(mask("SigBlk"), 0U);
  // 32 and 33 are the C library's own; it resets them itself.
  EXPECT_EQ(mask("SigIgn") & ~0x180000000ULL, 0U);
  // pid (comm) state ppid pgrp session
  const std::string stat = end->output.substr(end->output.rfind('\n', end->output.size() - 2) + 1);
  std::istringstream words(stat);
  std::string pid, comm, state, parent, group, session;
  words >> pid >> comm >> state >> parent >> group >> session;
  EXPECT_EQ(pid, group);
  EXPECT_EQ(pid, session);
}

TEST_F(Command, ThatHangsIsEndedWhenItsTimeIsOver) {
  const auto result = restart({script("echo waiting; exec sleep 1000")}, 300ms);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::timeout);
  EXPECT_THAT(result.error().message,
              AllOf(HasSubstr("did not end within 300ms and was ended"), EndsWith("its output: waiting\\n")));
}

TEST_F(Command, ThatIgnoresSigtermIsKilledWithItsChildren) {
  ProcessRequest request{{script("trap '' TERM; sleep 1000 & echo $! $$; while :; do sleep 1000; done")}, {}, 300ms};
  request.kill_grace = 200ms;
  const auto end = run_process(request, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->timed_out);
  EXPECT_EQ(end->signal, SIGKILL);
  std::istringstream words(end->output);
  pid_t child = 0;
  pid_t own = 0;
  words >> child >> own;
  ASSERT_GT(child, 0);
  EXPECT_TRUE(gone(own));
  EXPECT_TRUE(gone(child)) << "its child lives on";
}

TEST_F(Command, ThatObeysSigtermButWhoseChildDoesNotLeavesNothingBehind) {
  const auto end = run_process(
      {{script("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & exec sleep 1000")}, {}, 500ms}, *clock_,
      {});
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->timed_out);
  EXPECT_EQ(end->signal, SIGTERM);
  EXPECT_TRUE(gone(static_cast<pid_t>(std::stol(end->output)))) << "its child lives on";
}

TEST_F(Command, ThatLeavesAChildBehindEndsAtOnceAndTheChildLives) {
  const auto end = run_process({{script("sleep 1000 & echo $!")}, {}, 1min}, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_LT(end->elapsed, 50s) << "it waited for the child, which holds the output open";
  const auto child = static_cast<pid_t>(std::stol(end->output));
  EXPECT_EQ(::kill(child, 0), 0) << "it may be the server itself";
  ::kill(child, SIGKILL);
}

TEST_F(Command, ThatWritesMegabytesIsReadToItsEndAndTheLastPartIsKept) {
  const auto end = run_process(
      {{script("i=0; while [ $i -lt 300 ]; do head -c 16384 /dev/zero | tr '\\0' x; i=$((i+1)); done; echo THE END")},
       {},
       2min},
      *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_EQ(end->output.size(), kOutputKept);
  EXPECT_TRUE(end->output_cut);
  EXPECT_THAT(end->output, AllOf(StartsWith("xxxx"), EndsWith("xxTHE END\n")));
}

TEST_F(Command, ThatNeverStopsWritingIsEndedToo) {
  const auto end = run_process({{"/usr/bin/yes"}, {}, 300ms}, *clock_, {});
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->timed_out);
  // Without the line that was cut.
  EXPECT_GE(end->output.size(), kOutputKept - 2);
  EXPECT_LE(end->output.size(), kOutputKept);
}

TEST_F(Command, ThatIsAskedToStopMayStillEndByItself) {
  std::stop_source stop;
  const std::string go = file("go");
  ProcessRequest request{
      {script("touch " + file("runs") + "; while [ ! -e " + go + " ]; do sleep 0.05; done")}, {}, 1min};
  request.stop_grace = 1min;
  std::jthread stopper([&] {
    EXPECT_TRUE(within_a_minute([&] { return ::access(file("runs").c_str(), F_OK) == 0; }));
    stop.request_stop();
    std::ofstream(go) << "x";
  });
  const auto end = run_process(request, *clock_, stop.get_token());
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->stopped);
  EXPECT_EQ(end->exit_code, 0);
}

TEST_F(Command, ThatDoesNotEndAfterARequestToStopIsEnded) {
  std::stop_source stop;
  ProcessRequest request{{script("touch " + file("runs") + "; exec sleep 1000")}, {}, 1min};
  request.stop_grace = 100ms;
  std::jthread stopper([&] {
    EXPECT_TRUE(within_a_minute([&] { return ::access(file("runs").c_str(), F_OK) == 0; }));
    stop.request_stop();
  });
  const auto end = run_process(request, *clock_, stop.get_token());
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->stopped);
  EXPECT_FALSE(end->timed_out);
  EXPECT_THAT(describe(*end, 1min), HasSubstr("because this exporter is stopping"));
}

// As under a parent that ran `trap '' CHLD`: nobody is told how a child ended.
TEST_F(Command, WhoseExitStatusIsLostHasEndedAllTheSame) {
  const auto old = ::signal(SIGCHLD, SIG_IGN);
  const auto end = run_process({{script("echo done")}, {}, 1min}, *clock_, {});
  const std::string said = error_of({script("exit 0")});
  const auto ended = run_process({{script("exec sleep 1000")}, {}, 300ms}, *clock_, {});
  ::signal(SIGCHLD, old);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->status_lost);
  EXPECT_LT(end->elapsed, 50s);
  EXPECT_EQ(end->exit_code, -1);
  EXPECT_EQ(end->signal, 0);
  EXPECT_FALSE(end->timed_out);
  EXPECT_EQ(end->output, "done\n");
  EXPECT_THAT(said, HasSubstr("ended after "));
  EXPECT_THAT(said, HasSubstr(", and its exit status is not known: "));
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->timed_out);
  EXPECT_TRUE(ended->status_lost);
}

TEST_F(Command, IsNotStartedAfterARequestToStop) {
  std::stop_source stop;
  stop.request_stop();
  const auto result = restart({script("touch " + file("ran"))}, 1min, {}, stop.get_token());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_NE(::access(file("ran").c_str(), F_OK), 0);
}

TEST_F(Command, ThatCanNotBeStartedSaysWhy) {
  EXPECT_THAT(error_of({file("nothing")}), AllOf(HasSubstr("No such file"), HasSubstr("restart.command.arguments")));
  EXPECT_THAT(error_of({folder_.path().string()}), HasSubstr("is no file"));
  EXPECT_THAT(error_of({script("exit 0", 0644)}), AllOf(HasSubstr("may not run"), HasSubstr("make it executable")));
  const std::string path = file("no-program");
  std::ofstream(path) << "exit 0\n";
  ::chmod(path.c_str(), 0755);
  EXPECT_THAT(error_of({path}), HasSubstr("a script begins with a line such as #!/bin/sh"));
  EXPECT_EQ(make_command_restart({}, clock_)->check({}).error().kind, ErrorKind::invalid);
}

TEST_F(Command, CheckRunsNothingAndSaysWhatWouldBeRun) {
  const auto checked = make_command_restart({{script("touch " + file("ran")), "a"}, {}, 90s}, clock_)->check({});
  ASSERT_TRUE(checked.has_value());
  EXPECT_THAT(*checked, AllOf(StartsWith("run /"), EndsWith("/restart a, for 1m30s at most")));
  EXPECT_NE(::access(file("ran").c_str(), F_OK), 0);
}

TEST_F(Command, OutputThatIsNoTextBreaksNothing) {
  const std::string said = error_of({script("printf '\\377\\000\\033[31m\\n'; exit 1")});
  EXPECT_THAT(said, Not(HasSubstr("\n")));
  EXPECT_THAT(said, Not(HasSubstr("\033")));
  EXPECT_THAT(said, HasSubstr("\\xff"));
}

}  // namespace
}  // namespace wal_exporter::actions
