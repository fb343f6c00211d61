// A TCP connection on which nothing lasts for ever: connecting, sending and receiving give up when the other side does nothing for too long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace chq::rpc {

// host:port, where an IPv6 host stands in brackets.
struct address {
    std::string host;
    std::string port;
};

// False if the text is no address; *why then says what is wrong with it.
bool parse_address(const std::string & text, address * out, std::string * why);

class wire {
public:
    wire() = default;
    wire(const wire &) = delete;
    wire & operator=(const wire &) = delete;
    ~wire() { close(); }

    // Each of these is true when done; false leaves the reason in error(), and the connection is then of no use any more.
    bool connect(const address & to, int timeout_ms);
    bool send   (const void * data, size_t size, int timeout_ms);
    bool receive(void * data, size_t size, int timeout_ms);

    void close();
    bool is_open() const { return fd >= 0; }
    const std::string & error() const { return reason; }

private:
    bool wait(short events, int timeout_ms, const char * what);
    bool give_up(const std::string & why);

    int         fd = -1;
    std::string reason;
};

} // namespace chq::rpc
