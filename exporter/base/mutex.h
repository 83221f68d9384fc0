// std::mutex and std::condition_variable_any with the annotations that clang's
// thread-safety analysis reads. One Mutex guards one named thing.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define WAL_EXPORTER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define WAL_EXPORTER_THREAD_ANNOTATION(x)
#endif

#define WAL_EXPORTER_CAPABILITY(x) WAL_EXPORTER_THREAD_ANNOTATION(capability(x))
#define WAL_EXPORTER_SCOPED_CAPABILITY WAL_EXPORTER_THREAD_ANNOTATION(scoped_lockable)
#define WAL_EXPORTER_GUARDED_BY(x) WAL_EXPORTER_THREAD_ANNOTATION(guarded_by(x))
#define WAL_EXPORTER_REQUIRES(...) WAL_EXPORTER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define WAL_EXPORTER_ACQUIRE(...) WAL_EXPORTER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define WAL_EXPORTER_RELEASE(...) WAL_EXPORTER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define WAL_EXPORTER_TRY_ACQUIRE(...) WAL_EXPORTER_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define WAL_EXPORTER_EXCLUDES(...) WAL_EXPORTER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace wal_exporter {

class WAL_EXPORTER_CAPABILITY("mutex") Mutex {
 public:
  void lock() WAL_EXPORTER_ACQUIRE() { mutex_.lock(); }
  void unlock() WAL_EXPORTER_RELEASE() { mutex_.unlock(); }
  bool try_lock() WAL_EXPORTER_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class WAL_EXPORTER_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) WAL_EXPORTER_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() WAL_EXPORTER_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waiting with a deadline goes through Clock::wait_until, so that tests own time.
class CondVar {
 public:
  void notify_all() { condition_.notify_all(); }

 private:
  friend class SystemClock;
  friend class ManualClock;
  std::condition_variable_any condition_;
};

}  // namespace wal_exporter
