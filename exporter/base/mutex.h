// std::mutex and std::condition_variable_any with the annotations that clang's
// thread-safety analysis reads. One Mutex guards one named thing.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define WALX_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define WALX_THREAD_ANNOTATION(x)
#endif

#define WALX_CAPABILITY(x) WALX_THREAD_ANNOTATION(capability(x))
#define WALX_SCOPED_CAPABILITY WALX_THREAD_ANNOTATION(scoped_lockable)
#define WALX_GUARDED_BY(x) WALX_THREAD_ANNOTATION(guarded_by(x))
#define WALX_REQUIRES(...) WALX_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define WALX_ACQUIRE(...) WALX_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define WALX_RELEASE(...) WALX_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define WALX_TRY_ACQUIRE(...) WALX_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define WALX_EXCLUDES(...) WALX_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define WALX_NO_ANALYSIS WALX_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace walx {

class WALX_CAPABILITY("mutex") Mutex {
 public:
  void lock() WALX_ACQUIRE() { mutex_.lock(); }
  void unlock() WALX_RELEASE() { mutex_.unlock(); }
  bool try_lock() WALX_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class WALX_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) WALX_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() WALX_RELEASE() { mutex_.unlock(); }
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

}  // namespace walx
