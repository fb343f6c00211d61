#include "sampler/grammar.h"

#include "guard/guard.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

// llama.cpp reports syntax errors on stderr only, and some texts it does not survive: {5,2} counts down through 2^64,
// a left recursion behind a rule that can be empty in two steps goes unnoticed and grows a stack for ever, and the
// search for left recursion takes exponential time. So the text is read here first.

namespace chq {

namespace {

constexpr size_t  MAX_TEXT     = 1 << 20;
constexpr int     MAX_NESTING  = 128;
constexpr int64_t MAX_REPEAT   = 2000;      // MAX_REPETITION_THRESHOLD of llama.cpp
constexpr int64_t MAX_ELEMENTS = 1 << 21;   // after repetitions are written out
constexpr int     MAX_CHAIN    = 1000;      // rules that begin with rules that begin with rules ...
constexpr double  MAX_PATHS    = 1e6;       // ways through those chains, which llama.cpp walks one by one

struct item {
    int     rule;     // the rule it refers to, -1 for a terminal
    bool    optional; // may match nothing by itself ("", *, ?, {0,n})
};

using sequence = std::vector<item>;

struct rule {
    std::string           name;
    bool                  defined = false;
    int                   line    = 0; // of its first mention
    std::vector<sequence> alternates;
};

class parser {
public:
    explicit parser(const char * text) : pos(text) {}

    std::vector<rule> rules;

    void parse() {
        space(true);
        while (*pos) {
            const std::string name = word("a rule name");
            space(false);
            if (strncmp(pos, "::=", 3) != 0) {
                wrong("expected ::= after the rule name");
            }
            pos += 3;
            space(true);
            const int id = rule_id(name);
            std::vector<sequence> alternates = parse_alternates(false);
            rules[id].alternates = std::move(alternates);
            rules[id].defined    = true;
            if (*pos && *pos != '\n' && *pos != '\r') {
                wrong("expected the end of the line or another item");
            }
            space(true);
        }
    }

    int find(const std::string & name) const {
        auto it = ids.find(name);
        return it == ids.end() ? -1 : it->second;
    }

    [[noreturn]] void wrong(const char * what) const {
        char near[24];
        snprintf(near, sizeof(near), "%.16s", *pos ? pos : "the end");
        near[strcspn(near, "\r\n")] = 0;
        fail(CHQ_STATUS_GRAMMAR, "grammar, line %d: %s at \"%s\"", line, what, near);
    }

private:
    const char * pos;
    int     line       = 1;
    int     nesting    = 0;
    int64_t n_elements = 0;
    std::map<std::string, int> ids;

    int rule_id(const std::string & name) {
        auto [it, is_new] = ids.emplace(name, (int) rules.size());
        if (is_new) {
            rules.push_back({ name, false, line, {} });
        }
        return it->second;
    }

    static bool is_word(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || (c >= '0' && c <= '9');
    }

    void space(bool newlines) {
        while (*pos == ' ' || *pos == '\t' || *pos == '#' || (newlines && (*pos == '\r' || *pos == '\n'))) {
            if (*pos == '#') {
                while (*pos && *pos != '\r' && *pos != '\n') {
                    ++pos;
                }
                continue;
            }
            line += *pos == '\n';
            ++pos;
        }
    }

    std::string word(const char * expected) {
        const char * begin = pos;
        while (is_word(*pos)) {
            ++pos;
        }
        if (pos == begin) {
            wrong((std::string("expected ") + expected).c_str());
        }
        return std::string(begin, pos);
    }

    int64_t number() {
        int64_t value = 0;
        if (!(*pos >= '0' && *pos <= '9')) {
            wrong("expected a number");
        }
        for (; *pos >= '0' && *pos <= '9'; ++pos) {
            value = std::min<int64_t>(value * 10 + (*pos - '0'), INT32_MAX);
        }
        return value;
    }

    void character(const char * inside) {
        if (!*pos) {
            wrong((std::string("the text ends inside ") + inside).c_str());
        }
        if (*pos != '\\') {
            line += *pos == '\n';
            // one code point; what is no UTF-8 counts byte by byte
            ++pos;
            while (((unsigned char) *pos & 0xC0) == 0x80) {
                ++pos;
            }
            return;
        }
        const char escape = pos[1];
        const int n_hex = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
        if (!n_hex && (!escape || !strchr("trn\\\"[]-", escape))) {
            wrong("unknown escape");
        }
        const char * digits = pos + 2;
        for (int i = 0; i < n_hex; ++i) {
            if (!digits[i] || !strchr("0123456789abcdefABCDEF", digits[i])) {
                wrong("expected more hexadecimal digits");
            }
        }
        pos = digits + n_hex;
    }

    void count(int64_t n) {
        n_elements += n;
        if (n_elements > MAX_ELEMENTS) {
            fail(CHQ_STATUS_GRAMMAR, "grammar, line %d: too large once its repetitions are written out", line);
        }
    }

    std::vector<sequence> parse_alternates(bool nested) {
        std::vector<sequence> alternates;
        alternates.push_back(parse_sequence(nested));
        while (*pos == '|') {
            ++pos;
            space(true);
            alternates.push_back(parse_sequence(nested));
        }
        count(2);
        return alternates;
    }

    sequence parse_sequence(bool nested) {
        sequence items;
        int64_t n_last  = 0; // elements of the last item, 0 = there is none to repeat
        int64_t repeats = 1; // times that the last item is already written out
        while (*pos) {
            if (*pos == '"') {
                ++pos;
                n_last = 0;
                while (*pos != '"') {
                    character("a string");
                    ++n_last;
                }
                ++pos;
                repeats = 1;
                items.push_back({ -1, n_last == 0 });
                count(n_last);
            } else if (*pos == '[') {
                ++pos;
                if (*pos == '^') {
                    ++pos;
                }
                n_last = 0;
                while (*pos != ']') {
                    character("a character class");
                    ++n_last;
                    if (pos[0] == '-' && pos[1] != ']') {
                        ++pos;
                        character("a character class");
                        ++n_last;
                    }
                }
                ++pos;
                if (n_last == 0) {
                    wrong("an empty character class");
                }
                repeats = 1;
                items.push_back({ -1, false });
                count(n_last);
            } else if (*pos == '.') {
                ++pos;
                n_last  = 1;
                repeats = 1;
                items.push_back({ -1, false });
                count(1);
            } else if (*pos == '<' || *pos == '!') {
                parse_token();
                n_last  = 1;
                repeats = 1;
                items.push_back({ -1, false });
                count(1);
            } else if (is_word(*pos)) {
                const std::string name = word("a rule name");
                items.push_back({ rule_id(name), false });
                n_last  = 1;
                repeats = 1;
                count(1);
            } else if (*pos == '(') {
                if (++nesting > MAX_NESTING) {
                    wrong("groups are nested too deep");
                }
                ++pos;
                space(true);
                const size_t n_before = rules.size();
                std::vector<sequence> alternates = parse_alternates(true);
                if (*pos != ')') {
                    wrong("expected )");
                }
                ++pos;
                --nesting;
                const int id = (int) rules.size();
                rules.push_back({ "", true, line, std::move(alternates) });
                items.push_back({ id, false });
                n_last  = 1;
                repeats = (int64_t) (rules.size() - n_before);
                count(1);
            } else if (*pos == '*' || *pos == '+' || *pos == '?' || *pos == '{') {
                int64_t min = *pos == '+' ? 1 : 0;
                int64_t max = *pos == '?' ? 1 : -1;
                if (*pos == '{') {
                    parse_bounds(&min, &max);
                } else {
                    ++pos;
                }
                if (n_last == 0) {
                    wrong("nothing to repeat before this");
                }
                const int64_t times = max > 0 ? max : std::max<int64_t>(min, 1);
                if (times > MAX_REPEAT || repeats * times > MAX_REPEAT) {
                    wrong("too many repetitions");
                }
                // min copies in place, and a rule of its own for each optional one
                const int64_t n_optional = max < 0 ? 1 : max - min;
                count(n_last * std::max<int64_t>(min - 1, 0) + n_optional * (n_last + 3));
                repeats *= times;
                items.back().optional |= min == 0;
                repeated(items, min, max);
                n_last = n_last * min + 1;
            } else {
                break;
            }
            space(nested);
        }
        return items;
    }

    // S* and the like become rules of their own in llama.cpp; for the walk over first items it is enough to know that
    // the item follows itself where it can be empty.
    static void repeated(sequence & items, int64_t min, int64_t max) {
        if ((max < 0 || max > 1 || min > 1) && items.back().rule >= 0) {
            items.push_back({ items.back().rule, true });
        }
    }

    void parse_bounds(int64_t * min, int64_t * max) {
        ++pos;
        space(true);
        *min = number();
        space(true);
        *max = *min;
        if (*pos == ',') {
            ++pos;
            space(true);
            *max = -1;
            if (*pos >= '0' && *pos <= '9') {
                *max = number();
            }
            space(true);
        }
        if (*pos != '}') {
            wrong("expected }");
        }
        ++pos;
        if (*min > MAX_REPEAT) {
            wrong("too many repetitions before this");
        }
        if (*max > MAX_REPEAT) {
            *max = -1; // llama.cpp takes it for no limit
        } else if (*max >= 0 && *max < *min) {
            wrong("the upper bound before this is less than the lower one");
        }
    }

    void parse_token() {
        if (*pos == '!') {
            ++pos;
        }
        if (*pos != '<') {
            wrong("expected <");
        }
        const char * end = strpbrk(pos, ">\n");
        if (!end || *end != '>') {
            wrong("a token without >");
        }
        pos = end + 1;
    }
};

// Which rules can match nothing. An endless rule like x ::= x counts as one that cannot, as it never ends.
std::vector<bool> find_empty(const std::vector<rule> & rules) {
    std::vector<bool> empty(rules.size(), false);
    for (bool changed = true; changed; ) {
        changed = false;
        for (size_t r = 0; r < rules.size(); ++r) {
            for (const sequence & s : rules[r].alternates) {
                const bool all = std::all_of(s.begin(), s.end(), [&](const item & i) {
                    return i.optional || (i.rule >= 0 && empty[i.rule]);
                });
                if (all && !empty[r]) {
                    empty[r] = true;
                    changed  = true;
                }
            }
        }
    }
    return empty;
}

// Left recursion, length and number of the chains of rules that can stand at the beginning of a rule.
class beginning {
public:
    beginning(const std::vector<rule> & rules) : rules(rules), empty(find_empty(rules)),
        state(rules.size(), NEW), chain(rules.size(), 0), paths(rules.size(), 0) {}

    void check() {
        for (size_t r = 0; r < rules.size(); ++r) {
            visit((int) r);
        }
    }

private:
    enum mark : char { NEW, OPEN, DONE };

    const std::vector<rule> & rules;
    std::vector<bool>   empty;
    std::vector<mark>   state;
    std::vector<int>    chain;
    std::vector<double> paths;

    std::vector<int> first_rules(int r) const {
        std::vector<int> result;
        for (const sequence & s : rules[r].alternates) {
            for (const item & i : s) {
                if (i.rule >= 0) {
                    result.push_back(i.rule);
                }
                if (!i.optional && !(i.rule >= 0 && empty[i.rule])) {
                    break;
                }
            }
        }
        return result;
    }

    const char * name(int r) const {
        return rules[r].name.empty() ? "(group)" : rules[r].name.c_str();
    }

    // A stack of its own: the chains are as long as the text allows.
    void visit(int start) {
        struct frame {
            int              rule;
            std::vector<int> next;
            size_t           i;
        };
        std::vector<frame> stack;
        const auto open = [&](int r) {
            state[r] = OPEN;
            paths[r] = 1;
            stack.push_back({ r, first_rules(r), 0 });
        };
        if (state[start] == NEW) {
            open(start);
        }
        while (!stack.empty()) {
            frame & f = stack.back();
            if (f.i < f.next.size()) {
                const int n = f.next[f.i];
                if (state[n] == OPEN) {
                    fail(CHQ_STATUS_GRAMMAR, "grammar: rule %s begins with itself (left recursion)", name(n));
                }
                if (state[n] == NEW) {
                    open(n);
                    continue;
                }
                chain[f.rule] = std::max(chain[f.rule], chain[n] + 1);
                paths[f.rule] += paths[n];
                ++f.i;
                if (chain[f.rule] > MAX_CHAIN || paths[f.rule] > MAX_PATHS) {
                    fail(CHQ_STATUS_GRAMMAR, "grammar: rule %s begins in too many ways", name(f.rule));
                }
                continue;
            }
            state[f.rule] = DONE;
            stack.pop_back();
        }
    }
};

} // namespace

void check_grammar(const char * gbnf, const char * root) {
    if (strnlen(gbnf, MAX_TEXT + 1) > MAX_TEXT) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar is longer than 1 MiB");
    }
    parser p(gbnf);
    p.parse();
    if (p.rules.empty()) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar has no rules");
    }
    const int root_id = p.find(root);
    if (root_id < 0 || !p.rules[root_id].defined) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar has no rule named %s", root);
    }
    for (const rule & r : p.rules) {
        if (!r.defined) {
            fail(CHQ_STATUS_GRAMMAR, "grammar, line %d: rule %s is used but not defined", r.line, r.name.c_str());
        }
    }
    beginning(p.rules).check();
}

} // namespace chq
