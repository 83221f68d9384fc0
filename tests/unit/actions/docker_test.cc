// Answers that an engine gives, and odd ones; a real engine is in tests/e2e.
#include "actions/docker.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <vector>

#include "base/mutex.h"
#include "support.h"

namespace wal_exporter::actions {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using wal_exporter::tests::FakeServer;
using wal_exporter::tests::Peer;

std::string http_answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

std::string state(const std::string& status, bool running, bool paused, const std::string& started_at,
                  const std::string& name = "/influxdb") {
  return R"({"Id":"4c01db0b339c","Name":")" + name + R"(","State":{"Status":")" + status + R"(","Running":)" +
         (running ? "true" : "false") + R"(,"Paused":)" + (paused ? "true" : "false") + R"(,"StartedAt":")" +
         started_at + R"(","ExitCode":137}})";
}

constexpr const char* kVersion = R"({"Version":"20.10.24+dfsg1","ApiVersion":"1.41","MinAPIVersion":"1.12"})";

// Answers by what is asked; what is not set is a 404.
class Docker : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.socket = (folder_.path() / "docker.sock").string();
    options_.container = "influxdb";
    options_.stop_timeout = 1500ms;
    version_ = http_answer("200 OK", kVersion);
    container_ = http_answer("200 OK", state("running", true, false, "2026-01-01T00:00:00.1Z"));
    restarted_ = http_answer("204 No Content", "");
    container_after_ = http_answer("200 OK", state("running", true, false, "2026-01-02T00:00:00.1Z"));
  }
  void serve() {
    server_ = std::make_unique<FakeServer>(options_.socket, [this](Peer& peer) {
      const std::string head = peer.read_until("\r\n\r\n");
      const std::string line = head.substr(0, head.find(" HTTP/"));
      const bool restarted = record(line);
      if (line == "GET /version") return peer.send(version_);
      if (line.starts_with("POST ")) return hangs_ ? peer.hang() : peer.send(restarted_);
      peer.send(restarted ? container_after_ : container_);
    });
  }
  // Whether a restart was asked for before.
  bool record(const std::string& line) {
    const MutexLock lock(mutex_);
    const bool restarted =
        std::any_of(asked_.begin(), asked_.end(), [](const std::string& one) { return one.starts_with("POST "); });
    asked_.push_back(line);
    return restarted;
  }
  std::vector<std::string> asked() {
    const MutexLock lock(mutex_);
    return asked_;
  }
  Result<std::string> restart(std::stop_token stop = {}) { return make_docker_restart(options_)->restart(stop); }
  Result<std::string> check() { return make_docker_restart(options_)->check({}); }
  Error error_of_check() {
    const auto checked = check();
    return checked ? Error{ErrorKind::internal, "it worked: " + *checked} : checked.error();
  }

  TempDir folder_;
  DockerOptions options_;
  std::string version_;
  std::string container_;
  std::string restarted_;
  std::string container_after_;
  bool hangs_ = false;
  std::unique_ptr<FakeServer> server_;
  Mutex mutex_;  // guards what was asked
  std::vector<std::string> asked_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

TEST_F(Docker, RestartsByNameWithTheTimeToStopRoundedUpToSeconds) {
  serve();
  const auto result = restart();
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(*result, "container influxdb was restarted, it runs since 2026-01-02T00:00:00.1Z");
  EXPECT_THAT(asked(), ElementsAre("GET /version", "GET /v1.41/containers/influxdb/json",
                                   "POST /v1.41/containers/influxdb/restart?t=2", "GET /version",
                                   "GET /v1.41/containers/influxdb/json"));
}

TEST_F(Docker, CheckOnlyReads) {
  serve();
  const auto checked = check();
  ASSERT_TRUE(checked.has_value()) << checked.error().message;
  EXPECT_EQ(*checked, "restart container influxdb (running since 2026-01-01T00:00:00.1Z) through Docker at " +
                          options_.socket + ", with 1s500ms to end");
  EXPECT_THAT(asked(), ElementsAre("GET /version", "GET /v1.41/containers/influxdb/json"));
}

TEST_F(Docker, OddCharactersOfANameStayInIt) {
  options_.container = "../x?y#z";
  serve();
  EXPECT_FALSE(check().has_value());
  EXPECT_EQ(asked().back(), "GET /v1.41/containers/..%2Fx%3Fy%23z/json");
}

struct Negotiation {
  const char* newest;
  const char* least;
  const char* spoken;
};
class DockerVersion : public Docker, public ::testing::WithParamInterface<Negotiation> {};

TEST_P(DockerVersion, IsTheNewestThatBothKnow) {
  version_ = http_answer("200 OK", std::string(R"({"ApiVersion":")") + GetParam().newest + R"(","MinAPIVersion":")" +
                                       GetParam().least + "\"}");
  serve();
  ASSERT_TRUE(check().has_value());
  EXPECT_EQ(asked().back(), "GET /v" + std::string(GetParam().spoken) + "/containers/influxdb/json");
}
INSTANTIATE_TEST_SUITE_P(Engines, DockerVersion,
                         ::testing::Values(Negotiation{"1.41", "1.12", "1.41"}, Negotiation{"1.30", "1.12", "1.30"},
                                           Negotiation{"1.52", "1.44", "1.44"}, Negotiation{"1.48", "1.24", "1.41"},
                                           Negotiation{"1.40", "", "1.40"}, Negotiation{"2.0", "2.0", "2.0"}));

TEST_F(Docker, TooOldAnEngineIsToldSo) {
  version_ = http_answer("200 OK", R"({"ApiVersion":"1.18"})");
  serve();
  EXPECT_THAT(error_of_check().message, HasSubstr("speaks API version 1.18, at least 1.24 is needed; upgrade it"));
}

TEST_F(Docker, AMissingContainerIsNotFound) {
  container_ = http_answer("404 Not Found", R"({"message":"No such container: influxdb"})");
  serve();
  const Error error = error_of_check();
  EXPECT_EQ(error.kind, ErrorKind::not_found);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("has no container named influxdb"), HasSubstr("restart.docker.container")));
}

TEST_F(Docker, AStoppedContainerIsNotStarted) {
  container_ = http_answer("200 OK", state("exited", false, false, "2026-01-01T00:00:00Z"));
  serve();
  const auto result = restart();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::conflict);
  EXPECT_THAT(result.error().message,
              AllOf(HasSubstr("does not run (exited, exit code 137)"),
                    HasSubstr("what somebody stopped is not started"), HasSubstr("`docker start influxdb`")));
  EXPECT_THAT(asked(), Not(::testing::Contains(HasSubstr("POST"))));
}

TEST_F(Docker, APausedContainerIsLeftAlone) {
  container_ = http_answer("200 OK", state("paused", true, true, "2026-01-01T00:00:00Z"));
  serve();
  EXPECT_EQ(error_of_check().kind, ErrorKind::conflict);
  EXPECT_THAT(error_of_check().message, HasSubstr("is paused"));
}

TEST_F(Docker, AContainerThatDockerStartsAgainAndAgainIsRestarted) {
  container_ = http_answer("200 OK", state("restarting", true, false, "2026-01-01T00:00:00Z"));
  serve();
  EXPECT_TRUE(restart().has_value());
}

TEST_F(Docker, AnIdInPlaceOfANameIsRefusedWithTheName) {
  options_.container = "4c01db";
  container_ = http_answer("200 OK", state("running", true, false, "2026-01-01T00:00:00Z", "/plant-influxdb"));
  serve();
  EXPECT_THAT(error_of_check().message, HasSubstr("4c01db is no name but the id of container plant-influxdb"));
}

TEST_F(Docker, AFailedRestartSaysWhatDockerSaid) {
  restarted_ = http_answer("500 Internal Server Error", R"({"message":"driver failed\nprogramming \"x\""})");
  serve();
  const auto result = restart();
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(
      result.error().message,
      HasSubstr("could not restart container influxdb: 500 driver failed\\nprogramming \"x\"; see `docker logs"));
}

TEST_F(Docker, AContainerThatEndsAtOnceAgainIsAFailure) {
  container_after_ = http_answer("200 OK", state("exited", false, false, "2026-01-02T00:00:00Z"));
  serve();
  EXPECT_THAT(restart().error().message,
              HasSubstr("Docker reported that it restarted the container, but: container influxdb "
                        "does not run (exited"));
}

TEST_F(Docker, AYesWithoutANewStartIsAFailure) {
  container_after_ = container_;
  serve();
  EXPECT_THAT(restart().error().message, HasSubstr("but it runs since 2026-01-01T00:00:00.1Z as before"));
}

TEST_F(Docker, ARequestToStopEndsTheWaitAndSaysThatDockerGoesOn) {
  hangs_ = true;
  serve();
  std::stop_source stop;
  std::jthread stopper([&] {
    while (asked().size() < 3) ::poll(nullptr, 0, 10);
    stop.request_stop();
  });
  const auto result = restart(stop.get_token());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_THAT(result.error().message, HasSubstr("Docker may still be at it"));
}

TEST_F(Docker, AnEngineThatHangsIsToldFromOneThatRefuses) {
  options_.timeout = 200ms;
  server_ = std::make_unique<FakeServer>(options_.socket, [](Peer& peer) { peer.hang(); });
  const Error hangs = error_of_check();
  EXPECT_EQ(hangs.kind, ErrorKind::timeout);
  EXPECT_THAT(hangs.message, HasSubstr("did not answer within 200ms: it hangs or is very busy"));
  server_.reset();  // the socket's file stays
  const Error refuses = error_of_check();
  EXPECT_EQ(refuses.kind, ErrorKind::unavailable);
  EXPECT_THAT(refuses.message,
              AllOf(HasSubstr("cannot connect to the Docker socket"), HasSubstr("systemctl start docker")));
}

TEST_F(Docker, NoSocketIsToldFromOneThatWeMayNotUse) {
  const Error absent = error_of_check();
  EXPECT_EQ(absent.kind, ErrorKind::not_found);
  EXPECT_THAT(absent.message, AllOf(HasSubstr("there is no Docker socket at"), HasSubstr("/run/user/UID/docker.sock")));
  if (::geteuid() == 0) return;  // root may use any
  serve();
  ::chmod(options_.socket.c_str(), 0);
  const Error closed = error_of_check();
  EXPECT_EQ(closed.kind, ErrorKind::permission);
  EXPECT_THAT(closed.message, HasSubstr("let its user into the socket's group, which is as good as root"));
}

class DockerOdd : public Docker, public ::testing::WithParamInterface<const char*> {};

TEST_P(DockerOdd, AnswerToTheVersionIsNotDocker) {
  version_ = GetParam();
  serve();
  EXPECT_EQ(error_of_check().kind, ErrorKind::corrupt) << error_of_check().message;
}
TEST_P(DockerOdd, AnswerAboutTheContainerIsAnError) {
  container_ = GetParam();
  serve();
  const Error error = error_of_check();
  EXPECT_TRUE(error.kind == ErrorKind::corrupt || error.kind == ErrorKind::unavailable) << error.message;
  EXPECT_THAT(error.message, Not(HasSubstr("\n")));
}
INSTANTIATE_TEST_SUITE_P(
    Answers, DockerOdd,
    ::testing::Values("SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
                      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                      "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"ApiVersion\":\"new\"}",
                      "HTTP/1.1 500 No\r\nContent-Length: 15\r\n\r\n<html>\n</html>\n",
                      "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"State\":\"on\"}",
                      "HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n{\"State\":{\"Status\":null}}"));

}  // namespace
}  // namespace wal_exporter::actions
