#include "influxdb/backup_v2.h"

#include <algorithm>
#include <utility>

#include "http/address.h"
#include "http/client.h"
#include "influxdb/api.h"
#include "influxdb/shard_backup.h"

namespace wal_exporter::influxdb {
namespace {

class BackupV2 final : public ShardBackup {
 public:
  BackupV2(BackupV2Options options, std::shared_ptr<wal::WalSource> source, std::shared_ptr<Clock> clock, Log log)
      : ShardBackup(std::move(source), std::move(clock), std::move(log), options.timeout, "influxdb.url"),
        options_(std::move(options)) {}

 protected:
  [[nodiscard]] Result<void> prepare() override;
  [[nodiscard]] Answer ask(const RunObserver& run, const wal::Shard& shard) override;
  [[nodiscard]] std::string server() const override { return http::printable_url(options_.url); }

 private:
  [[nodiscard]] static Answer refused(const http::Response& response);

  const BackupV2Options options_;
  std::string token_;  // of the current run
  http::Client client_{options_.tls};
};

Result<void> BackupV2::prepare() {
  auto token = read_token(options_.token_file);
  if (!token) return tl::unexpected<Error>(token.error());
  if (token->empty()) {
    return failure(ErrorKind::invalid,
                   "a backup of InfluxDB 2 needs an operator token: put it into a file and set influxdb.token_file");
  }
  token_ = std::move(*token);
  const auto target = http::parse_url(options_.url);
  if (!target) return failure(target.error().kind, "influxdb.url: " + target.error().message);
  return {};
}

BackupV2::Answer BackupV2::ask(const RunObserver& run, const wal::Shard& shard) {
  using Kind = Answer::Kind;
  const std::string path = "/api/v2/backup/shards/" + std::to_string(shard.id) + "?since=2100-01-01T00%3A00%3A00Z";
  auto request =
      api_request(options_.url, path, "Token", token_, std::max<Duration>(run.left(), std::chrono::milliseconds(1)));
  if (!request) return {Kind::ends_run, request.error().message};
  // An empty archive is 1 KiB. More means that `since` was not honoured and the
  // shard itself is being sent.
  request->max_response_bytes = kMaxAnswerBytes;
  const auto response = client_.send(*request, run.stop());
  if (response && response->status == 200) return {Kind::yes};
  if (response) return refused(*response);
  if (response.error().kind == ErrorKind::corrupt) {
    return {Kind::ends_run,
            "expected an empty archive of 1 KiB, but " + response.error().message +
                "; the server, or a proxy before it, does not honour `since` and sends the shard itself: set "
                "influxdb.url to the server's own address"};
  }
  if (response.error().kind == ErrorKind::untrusted) return {Kind::ends_run, response.error().message};
  return {Kind::ends_run, response.error().message + "; check that InfluxDB runs and that influxdb.url is its address"};
}

BackupV2::Answer BackupV2::refused(const http::Response& response) {
  using Kind = Answer::Kind;
  std::string message = "answered " + status_text(response);
  if (response.status == 401 || response.status == 403) {
    return {Kind::ends_run,
            message + "; a backup needs an operator token: put one into the file that influxdb.token_file names"};
  }
  if (response.status == 404 && response.body.find("shard") != std::string::npos) return {Kind::unknown, message};
  if (const std::string remedy = remedy_for(response.status, true); !remedy.empty()) message += "; " + remedy;
  // 2.7.11 answers 500 for a shard that it can't persist (FACTS.md).
  return {response.status >= 500 ? Kind::failed : Kind::ends_run, message};
}

}  // namespace

std::unique_ptr<CheckpointMethod> make_backup_v2(BackupV2Options options, std::shared_ptr<wal::WalSource> source,
                                                 std::shared_ptr<Clock> clock, Log log) {
  return std::make_unique<BackupV2>(std::move(options), std::move(source), std::move(clock), std::move(log));
}

constexpr MethodKind kBackupV2Kind{
    Method::backup,
    "backup",
    wal::Generation::v2,
    /*is_automatic=*/true,
    /*writes_points=*/false,
    [](const MethodSettings& target) -> std::string {
      if (target.server.url.empty()) return "set influxdb.url, such as http://127.0.0.1:8086";
      if (target.server.token_file.empty()) return "set influxdb.token_file to a file with an operator token";
      return {};
    },
    [](const MethodSettings& target, MethodRun run) {
      return make_backup_v2({target.server.url, target.server.token_file, target.checkpoint.timeout, target.server.tls},
                            std::move(run.source), std::move(run.clock), std::move(run.log));
    }};

}  // namespace wal_exporter::influxdb
