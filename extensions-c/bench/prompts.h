// The prompts that 'chasqui bench speculation' takes, as a model's chat has them.
#pragma once

#include "chat.h"
#include "common.h"
#include "json.h"

#include "llama.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct prompt {
    std::string id;
    std::string text;
};

struct prompt_category {
    std::string         name;
    std::vector<prompt> prompts;
};

inline std::vector<std::string> split(const std::string & text, char by) {
    std::vector<std::string> parts;
    std::stringstream in(text);
    for (std::string part; std::getline(in, part, by);) {
        parts.push_back(part);
    }
    return parts;
}

// Files of JSON lines with id, category and prompt, separated by commas; at most `limit` prompts of a category.
inline std::vector<prompt_category> read_prompts(const std::string & files, size_t limit) {
    std::vector<prompt_category> categories;
    for (const std::string & file : split(files, ',')) {
        std::ifstream in(file);
        if (!in) {
            throw std::runtime_error(file + " cannot be read");
        }
        for (std::string line; std::getline(in, line);) {
            const common_json row = common_json::parse(line);
            const std::string name = row.at("category").get<std::string>();
            auto it = std::find_if(categories.begin(), categories.end(), [&](const prompt_category & c) { return c.name == name; });
            if (it == categories.end()) {
                it = categories.insert(it, { name, {} });
            }
            if (it->prompts.size() < limit) {
                it->prompts.push_back({ row.at("id").get<std::string>(), row.at("prompt").get<std::string>() });
            }
        }
    }
    return categories;
}

// As the only message of a chat.
inline llama_tokens tokens_of(const llama_vocab * vocab, const common_chat_templates * templates, const std::string & text) {
    common_chat_templates_inputs inputs;
    inputs.messages.resize(1);
    inputs.messages[0].role    = "user";
    inputs.messages[0].content = text;
    return common_tokenize(vocab, common_chat_templates_apply(templates, inputs).prompt, true, true);
}
