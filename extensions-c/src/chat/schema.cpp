// JSON schemas as grammars, and the bounds of JSON that comes from outside.
#include "chat/engine.h"
#include "chat/json_text.h"

#include "json-schema-to-grammar.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace chq {

namespace {

constexpr size_t MAX_SCHEMA     = 256u << 10;
// llama.cpp writes a rule for each way to leave out properties, in cubic time.
constexpr size_t MAX_PROPERTIES = 200;
constexpr size_t MAX_NODES      = 20000;

void check_node(const common_json & node, size_t & n_nodes) {
    if (++n_nodes > MAX_NODES) {
        throw std::invalid_argument("the schema has more than " + std::to_string(MAX_NODES) + " values");
    }
    if (node.is_object()) {
        for (const auto & [key, value] : node.items()) {
            if (key == "properties" && value.is_object() && value.size() > MAX_PROPERTIES) {
                throw std::invalid_argument("an object of the schema has " + std::to_string(value.size()) + " properties, at most "
                    + std::to_string(MAX_PROPERTIES) + " are possible");
            }
            check_node(value, n_nodes);
        }
    } else if (node.is_array()) {
        for (size_t i = 0; i < node.size(); ++i) {
            check_node(node.at(i), n_nodes);
        }
    }
}

} // namespace

void check_nesting(const char * text, size_t n_text, const char * what) {
    int  depth  = 0;
    bool string = false;
    for (size_t i = 0; i < n_text; ++i) {
        if (string) {
            string = text[i] != '"';
            i += text[i] == '\\';
            continue;
        }
        string = text[i] == '"';
        depth += text[i] == '{' || text[i] == '[' ? 1 : text[i] == '}' || text[i] == ']' ? -1 : 0;
        if (depth > MAX_JSON_NESTING) {
            fail(CHQ_STATUS_ARGUMENT, "%s nests more than %d levels", what, MAX_JSON_NESTING);
        }
    }
}

void check_brackets(const char * text, size_t n_text, int most, const char * what) {
    int depth = 0;
    for (size_t i = 0; i < n_text; ++i) {
        depth += text[i] == '{' || text[i] == '[' ? 1 : (text[i] == '}' || text[i] == ']') && depth > 0 ? -1 : 0;
        if (depth > most) {
            fail(CHQ_STATUS_ARGUMENT, "%s nests more than %d levels", what, most);
        }
    }
}

void check_schema(const common_json & schema) {
    size_t n_nodes = 0;
    check_node(schema, n_nodes);
}

} // namespace chq

using namespace chq;

chq_status chq_chat_schema_grammar(const char * schema, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_pointer(schema, "schema");
        check_pointer(length, "length");
        const size_t n_schema = strlen(schema);
        if (n_schema > MAX_SCHEMA) {
            fail(CHQ_STATUS_GRAMMAR, "the schema has %zu bytes, at most %zu are read", n_schema, MAX_SCHEMA);
        }
        check_nesting(schema, n_schema, "the schema");
        std::string grammar;
        run_on_deep_stack(ENGINE_STACK, [&] {
            try {
                const common_json parsed = common_json::parse(schema);
                check_schema(parsed);
                grammar = json_schema_to_grammar(parsed, true);
            } catch (const std::exception & e) {
                fail(CHQ_STATUS_GRAMMAR, "the schema has no grammar: %s", e.what());
            }
        });
        return give_text(grammar.data(), grammar.size(), text, capacity, length);
    });
}
