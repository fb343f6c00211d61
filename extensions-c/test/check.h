// What tests of the C ABI check beside the values of runner.h: the status of a call.
#pragma once

#include "runner.h"

#include "chasqui.h"

namespace check {

inline bool status(const char * file, int line, const char * text, chq_status actual, chq_status expected) {
    if (actual != expected) {
        report(file, line, std::string(text) + " gave \"" + chq_status_name(actual) + "\" (" + (actual ? chq_last_error() : "") +
            "), expected \"" + chq_status_name(expected) + "\"");
    }
    return actual == expected;
}

} // namespace check

#define CHECK_STATUS(call, expected) check::status(__FILE__, __LINE__, #call, call, expected)
#define CHECK_OK(call)            do { if (!check::status(__FILE__, __LINE__, #call, call, CHQ_STATUS_OK)) { throw check::stop(); } } while (0)
