// A test is a function named by TEST; main() runs all of the file's and fails if one of them did.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace check {

struct test {
    const char * name;
    void (*run)();
};

inline std::vector<test> & tests() {
    static std::vector<test> all;
    return all;
}

struct registration {
    registration(const char * name, void (*run)()) { tests().push_back({ name, run }); }
};

inline int & failures() {
    static int n = 0;
    return n;
}

// Ends the test that is running.
struct stop {};

inline void report(const char * file, int line, const std::string & what) {
    const char * slash = strrchr(file, '/');
    fprintf(stderr, "  %s:%d: %s\n", slash ? slash + 1 : file, line, what.c_str());
    ++failures();
}

template <typename A, typename B>
void equal(const char * file, int line, const char * text, const A & actual, const B & expected) {
    if (!(actual == expected)) {
        std::ostringstream s;
        s << text << " is " << actual << ", expected " << expected;
        report(file, line, s.str());
    }
}

inline int run_all(int argc, char ** argv) {
    for (const test & t : tests()) {
        if (argc > 1 && !strstr(t.name, argv[1])) {
            continue;
        }
        const int before = failures();
        try {
            t.run();
        } catch (const stop &) {
        } catch (const std::exception & e) {
            report(t.name, 0, e.what());
        }
        fprintf(stderr, "%s %s\n", failures() == before ? "ok    " : "FAILED", t.name);
    }
    return failures() > 0;
}

} // namespace check

#define TEST(name) \
    static void name(); \
    static check::registration name##_registration(#name, name); \
    static void name()

#define CHECK(condition)          do { if (!(condition)) { check::report(__FILE__, __LINE__, #condition " is false"); } } while (0)
#define REQUIRE(condition)        do { if (!(condition)) { check::report(__FILE__, __LINE__, #condition " is false"); throw check::stop(); } } while (0)
#define CHECK_EQ(actual, expected) check::equal(__FILE__, __LINE__, #actual, actual, expected)
#define MAIN int main(int argc, char ** argv) { return check::run_all(argc, argv); }
