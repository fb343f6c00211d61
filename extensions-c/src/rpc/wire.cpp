#include "rpc/wire.h"

#include "guard/remote.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#ifndef _WIN32
#    include <fcntl.h>
#    include <netdb.h>
#    include <netinet/in.h>
#    include <netinet/tcp.h>
#    include <poll.h>
#    include <sys/socket.h>
#    include <unistd.h>
#endif

namespace chq::rpc {

bool parse_address(const std::string & text, address * out, std::string * why) {
    size_t colon = text.rfind(':');
    std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find_first_of(":[]") != std::string::npos) {
        *why = "an IPv6 address stands in brackets";
        return false;
    }
    if (host.empty() || port.empty()) {
        *why = "it is not of the form host:port";
        return false;
    }
    if (host.size() > 253 || std::any_of(host.begin(), host.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f || c == '/'; })) {
        *why = "it does not begin with the name of a host";
        return false;
    }
    const bool digits = std::all_of(port.begin(), port.end(), [](unsigned char c) { return c >= '0' && c <= '9'; });
    if (!digits || port.size() > 5 || std::stoi(port) < 1 || std::stoi(port) > 65535) {
        *why = "the port is not a number of 1..65535";
        return false;
    }
    *out = { host, port };
    return true;
}

#ifdef _WIN32

// The socket calls below are POSIX's; a build for Windows has no client yet and says so.
bool wire::connect(const address &, int)       { return give_up("this build has no RPC client"); }
bool wire::send   (const void *, size_t, int)  { return give_up("this build has no RPC client"); }
bool wire::receive(void *, size_t, int)        { return give_up("this build has no RPC client"); }
void wire::close() {}

#else

using clock = std::chrono::steady_clock;

// How long an answer is still waited for when the caller wants to stop. A server cannot be interrupted: leaving sooner would lose it.
constexpr int CANCELLED_PATIENCE_MS = 10000;

// Waiting is done in slices of this, so that the caller's wish to stop is seen.
constexpr int SLICE_MS = 100;

// A machine that vanished without a word is given up after about half a minute without acknowledgements, however long an answer may take.
static void watch_over(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY,  &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET,  SO_KEEPALIVE, &on, sizeof(on));
    const int idle = 10;
#if defined(TCP_KEEPIDLE)
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE,  &idle, sizeof(idle));
#elif defined(TCP_KEEPALIVE)
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPALIVE, &idle, sizeof(idle));
#endif
#if defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    const int interval = 5;
    const int count    = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT,   &count,    sizeof(count));
#endif
#if defined(TCP_USER_TIMEOUT)
    const unsigned unacknowledged_ms = 30000;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
#endif
#if defined(SO_NOSIGPIPE)
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

static std::string seconds(int ms) {
    char text[32];
    snprintf(text, sizeof(text), "%g s", ms / 1000.0);
    return text;
}

bool wire::give_up(const std::string & why) {
    reason = why;
    close();
    return false;
}

void wire::close() {
    if (fd >= 0) {
        ::close(fd);
        fd = -1;
    }
}

// Until the socket is ready for what is asked.
bool wire::wait(short events, int timeout_ms, const char * what) {
    auto begin    = clock::now();
    auto deadline = begin + std::chrono::milliseconds(timeout_ms);
    bool hurried  = false;
    while (true) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now()).count();
        if (left <= 0) {
            const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - begin).count();
            return give_up(std::string(what) + " for " + seconds((int) ((waited + 50) / 100 * 100)) + (hurried ? ", and the caller wants to stop" : ""));
        }
        pollfd one = { fd, events, 0 };
        const int n = poll(&one, 1, (int) std::min<long long>(left, SLICE_MS));
        if (n > 0) {
            return true; // ready, or broken: the call that follows tells which
        }
        if (n < 0 && errno != EINTR) {
            return give_up(strerror(errno));
        }
        if (!hurried && stop_wanted()) {
            hurried  = true;
            deadline = std::min(deadline, clock::now() + std::chrono::milliseconds(CANCELLED_PATIENCE_MS));
        }
    }
}

bool wire::connect(const address & to, int timeout_ms) {
    close();
    addrinfo hints;
    memset(&hints, 0, sizeof(hints));
    hints.ai_family   = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags    = AI_NUMERICSERV;
    addrinfo * found = nullptr;
    const int code = getaddrinfo(to.host.c_str(), to.port.c_str(), &hints, &found);
    if (code != 0) {
        return give_up(std::string("the host is unknown (") + gai_strerror(code) + ")");
    }
    std::string last = "the host has no address";
    for (const addrinfo * a = found; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd < 0) {
            last = strerror(errno);
            continue;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        if (::connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            if (errno != EINPROGRESS) {
                give_up(strerror(errno));
            } else if (wait(POLLOUT, timeout_ms, "it did not accept the connection")) {
                int       failure = 0;
                socklen_t size    = sizeof(failure);
                getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
                if (failure != 0) {
                    give_up(strerror(failure));
                }
            }
            last = reason;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) {
        return give_up(last);
    }
    watch_over(fd);
    return true;
}

bool wire::send(const void * data, size_t size, int timeout_ms) {
#ifdef MSG_NOSIGNAL
    const int flags = MSG_NOSIGNAL;
#else
    const int flags = 0;
#endif
    const char * at = (const char *) data;
    while (size > 0) {
        if (fd < 0) {
            return give_up("the connection is closed");
        }
        const ssize_t n = ::send(fd, at, std::min<size_t>(size, 1 << 30), flags);
        if (n > 0) {
            at   += n;
            size -= (size_t) n;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (!wait(POLLOUT, timeout_ms, "it took nothing")) {
                return false;
            }
        } else if (n == 0 || errno != EINTR) {
            return give_up(strerror(errno));
        }
    }
    return true;
}

bool wire::receive(void * data, size_t size, int timeout_ms) {
    char * at = (char *) data;
    while (size > 0) {
        if (fd < 0) {
            return give_up("the connection is closed");
        }
        const ssize_t n = recv(fd, at, std::min<size_t>(size, 1 << 30), 0);
        if (n > 0) {
            at   += n;
            size -= (size_t) n;
        } else if (n == 0) {
            return give_up("it closed the connection");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait(POLLIN, timeout_ms, "it did not answer")) {
                return false;
            }
        } else if (errno != EINTR) {
            return give_up(strerror(errno));
        }
    }
    return true;
}

#endif

} // namespace chq::rpc
