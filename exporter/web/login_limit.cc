#include "web/login_limit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

namespace wal_exporter::web {
namespace {

// A check may take a quarter of one processor's time for each address: it is paid for with
// four times as long as the last one took, within these bounds.
constexpr int kShare = 4;
constexpr Duration kShortestInterval = std::chrono::seconds(1);
constexpr Duration kLongestInterval = std::chrono::seconds(30);
constexpr std::int64_t kBurstAgain = 2;
// Places that only those who come again may take.
constexpr std::size_t kKept = 2;

// 512 KiB, taken when the first login is refused: with 4,000 new ones a second two in three are
// still known when a scraper comes again after 15 s.
constexpr std::size_t kRefused = 1 << 17;
constexpr int kSecondBits = 12;
constexpr std::uint32_t kSeconds = (1U << kSecondBits) - 1;
constexpr Duration kAgainFrom = std::chrono::seconds(1);
constexpr Duration kAgainUntil = std::chrono::minutes(5);

std::uint32_t word(const std::string& key, std::size_t at) {
  std::uint32_t out = 0;
  if (key.size() >= at + sizeof(out)) std::memcpy(&out, key.data() + at, sizeof(out));
  return out;
}

std::uint32_t second_of(SteadyTime now) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return static_cast<std::uint32_t>(seconds) & kSeconds;
}

}  // namespace

LoginLimit::LoginLimit(std::shared_ptr<Clock> clock, Options options) : clock_(std::move(clock)), options_(options) {}

LoginLimit::Options LoginLimit::usual() {
  Options options;
  options.at_once = std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
  return options;
}

std::string LoginLimit::client_of(const std::string& address) {
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return address;
  char text[INET6_ADDRSTRLEN] = {};
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    return inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof(text)) != nullptr ? text : address;
  }
  std::fill(std::begin(v6.s6_addr) + 8, std::end(v6.s6_addr), std::uint8_t{0});
  return inet_ntop(AF_INET6, &v6, text, sizeof(text)) != nullptr ? std::string(text) + "/64" : address;
}

Rate LoginLimit::rate(std::int64_t burst) const {
  return {std::clamp<Duration>(last_check_ * kShare, kShortestInterval, kLongestInterval), burst};
}

LoginLimit::Client& LoginLimit::client(const std::string& name, SteadyTime now) {
  const auto found = clients_.find(name);
  if (found != clients_.end()) return found->second;
  if (clients_.size() >= options_.addresses) {
    // Whose budget is whole again is as good as new.
    std::erase_if(clients_, [now](const auto& entry) {
      const Client& client = entry.second;
      return client.inside == 0 && client.first.full(now) && client.again.full(now);
    });
  }
  return clients_.size() < options_.addresses ? clients_[name] : others_;
}

bool LoginLimit::came_before(const std::string& key, SteadyTime now) const {
  if (refused_.empty()) return false;
  const std::uint32_t entry = refused_[word(key, 0) % kRefused];
  if (entry >> kSecondBits != word(key, 4) >> kSecondBits) return false;
  const auto ago = std::chrono::seconds((second_of(now) - entry) & kSeconds);
  return ago >= kAgainFrom && ago <= kAgainUntil;
}

void LoginLimit::remember_refused(const std::string& key, SteadyTime now) {
  if (refused_.empty()) refused_.resize(kRefused);
  // One that comes again keeps its time, so that it can come a third time at once.
  if (came_before(key, now)) return;
  refused_[word(key, 0) % kRefused] = (word(key, 4) & ~kSeconds) | second_of(now);
}

void LoginLimit::remember_wrong(const std::string& key) {
  if (!wrong_.insert(key).second) return;
  wrong_in_order_.push_back(key);
  if (wrong_in_order_.size() <= options_.wrong) return;
  wrong_.erase(wrong_in_order_.front());
  wrong_in_order_.pop_front();
}

TokenBucket* LoginLimit::enter(Client& client, const std::string& key, SteadyTime now) {
  const bool again = came_before(key, now);
  const std::size_t places = options_.inside - (again ? 0 : std::min(kKept, options_.inside - 1));
  if (inside_ >= places || client.inside >= options_.inside_of_address + (again ? 1 : 0)) return nullptr;
  TokenBucket* paid = nullptr;
  if (client.first.take(rate(options_.burst), now)) {
    paid = &client.first;
  } else if (again && client.again.take(rate(kBurstAgain), now)) {
    paid = &client.again;
  }
  if (paid == nullptr) return nullptr;
  ++inside_;
  ++client.inside;
  return paid;
}

bool LoginLimit::wait_to_run() {
  const SteadyTime deadline = clock_->steady() + options_.wait;
  while (running_ >= options_.at_once && clock_->steady() < deadline) clock_->wait_until(changed_, mutex_, deadline);
  return running_ < options_.at_once;
}

std::size_t LoginLimit::inside() const {
  const MutexLock lock(mutex_);
  return inside_;
}

// By value: the map lets go of its own while this waits.
LoginAnswer LoginLimit::join(std::shared_ptr<Flight> flight) {
  const LoginAnswer later{LoginOutcome::too_many, kAgainFrom};
  if (inside_ >= options_.inside) return later;
  ++inside_;
  const SteadyTime deadline = clock_->steady() + options_.wait;
  while (!flight->done && clock_->steady() < deadline) clock_->wait_until(changed_, mutex_, deadline);
  --inside_;
  return flight->done ? flight->answer : later;
}

void LoginLimit::leave(const Visit& visit, LoginAnswer answer) {
  --inside_;
  --visit.client.inside;
  // Only wrong logins are paid for.
  if (answer.outcome != LoginOutcome::wrong) visit.paid.put_back(rate(1));
  if (answer.outcome == LoginOutcome::wrong) remember_wrong(visit.key);
  if (answer.outcome == LoginOutcome::too_many) remember_refused(visit.key, clock_->steady());
  *visit.flight = {true, answer};
  flights_.erase(visit.key);
  changed_.notify_all();
}

LoginAnswer LoginLimit::ask(const std::string& address, const std::string& key, const std::function<bool()>& check) {
  std::optional<Visit> visit;
  {
    const MutexLock lock(mutex_);
    if (wrong_.contains(key)) return {LoginOutcome::wrong, {}};
    if (const auto running = flights_.find(key); running != flights_.end()) return join(running->second);
    const SteadyTime now = clock_->steady();
    Client& who = client(client_of(address), now);
    TokenBucket* const paid = enter(who, key, now);
    if (paid == nullptr) {
      remember_refused(key, now);
      return {LoginOutcome::too_many, std::max(who.first.until_next(rate(options_.burst), now), kAgainFrom)};
    }
    visit.emplace(Visit{key, who, *paid, std::make_shared<Flight>()});
    flights_.emplace(key, visit->flight);
    if (!wait_to_run()) {
      const LoginAnswer answer{LoginOutcome::too_many, kAgainFrom};
      leave(*visit, answer);
      return answer;
    }
    ++running_;
  }
  const SteadyTime begin = clock_->steady();
  LoginAnswer answer{LoginOutcome::too_many, kAgainFrom};
  std::exception_ptr failed;
  try {
    answer = {check() ? LoginOutcome::right : LoginOutcome::wrong, {}};
  } catch (...) {
    failed = std::current_exception();
  }
  {
    const MutexLock lock(mutex_);
    --running_;
    last_check_ = clock_->steady() - begin;
    leave(*visit, answer);
  }
  if (failed) std::rethrow_exception(failed);
  return answer;
}

}  // namespace wal_exporter::web
