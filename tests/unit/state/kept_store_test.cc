// Whether what is written is kept, and what the log says of it.
#include "state/kept_store.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace wal_exporter::state {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FullDisk final : public Store {
 public:
  explicit FullDisk(const bool& full) : full_(full) {}
  Result<std::optional<std::string>> get(const std::string&, const std::string&) override { return std::nullopt; }
  Result<void> put(const std::string&, const std::string&, const std::string&) override { return written(); }
  Result<std::map<std::string, std::string>> get_all(const std::string&) override { return {}; }
  Result<void> hand_over(const std::vector<Handover>&) override { return written(); }
  Result<std::int64_t> append(const AuditEntry&) override {
    if (auto done = written(); !done) return tl::unexpected(done.error());
    return 1;
  }
  Result<std::vector<AuditEntry>> history(const std::string&, std::optional<std::int64_t>, std::size_t) override {
    return {};
  }
  Result<std::vector<AuditEntry>> events(const EventQuery&) override { return {}; }
  Result<std::int64_t> newest_id() override { return 0; }

 private:
  [[nodiscard]] Result<void> written() const {
    if (full_) return failure(ErrorKind::unavailable, "no space left");
    return {};
  }
  const bool& full_;
};

class Kept : public ::testing::Test {
 protected:
  [[nodiscard]] std::size_t logged(const std::string& text) const {
    std::size_t count = 0;
    const std::string all = log_text_->str();
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) ++count;
    return count;
  }

  bool full_ = false;
  const std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(Time{});
  const std::shared_ptr<std::ostringstream> log_text_ = std::make_shared<std::ostringstream>();
  const Log log_ =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(*log_text_));
  KeptStore store_{std::make_unique<FullDisk>(full_), clock_, log_, ""};
};

TEST_F(Kept, IsSaidOnceWhenItIsNotAndOnceWhenItIsAgain) {
  EXPECT_TRUE(store_.put("plant", "policy", "1"));
  EXPECT_THAT(store_.problem(), IsEmpty());
  full_ = true;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(store_.append({}));
  EXPECT_FALSE(store_.hand_over({}));
  EXPECT_EQ(store_.problem(), "no space left");
  EXPECT_EQ(logged("state is not kept: no space left; a restart of the exporter now would forget"), 1U);
  full_ = false;
  clock_->advance(5s);
  EXPECT_EQ(store_.problem(), "no space left") << "nobody has tried";
  EXPECT_TRUE(store_.put("plant", "policy", "1"));
  EXPECT_THAT(store_.problem(), IsEmpty());
  EXPECT_EQ(logged("state is kept again"), 1U);
}

// On a full disk a small change still fits now and then.
TEST_F(Kept, IsNotSaidAgainForAWriteThatHappensToFit) {
  for (int i = 0; i < 10; ++i) {
    full_ = i % 2 == 0;
    EXPECT_EQ(store_.put("plant", "policy", "1").has_value(), !full_);
    clock_->advance(3s);
    EXPECT_EQ(store_.problem(), "no space left");
  }
  EXPECT_EQ(logged("state is not kept"), 1U);
  EXPECT_EQ(logged("state is kept again"), 0U);
}

TEST_F(Kept, NeverWhereThereIsNothingToKeepItIn) {
  KeptStore store(memory_store(10), clock_, log_, "creating state directory /s: Read-only file system");
  EXPECT_TRUE(store.put("plant", "policy", "1"));
  EXPECT_EQ(store.problem(), "creating state directory /s: Read-only file system");
}

}  // namespace
}  // namespace wal_exporter::state
