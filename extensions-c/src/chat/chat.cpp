// Chat templates through llama.cpp's Jinja engine, which lives in llama-common.
#include "chat/engine.h"

#include "log.h"

#include <cstring>
#include <string>

using namespace chq;

chq_status chq_chat_template_create(const struct chq_model * model, const char * source, struct chq_chat_template ** out) {
    return chq::guarded([&] {
        chq::check_pointer(out, "out");
        struct llama_model * llama = chq_model_llama(model);
        chq::check_pointer(llama, "model");
        // llama-common prints to the console by itself; what it has to say comes back as an error.
        static std::once_flag silent;
        std::call_once(silent, [] { common_log_pause(common_log_main()); });
        auto tmpl = std::make_unique<chq_chat_template>();
        tmpl->vocab = llama_model_get_vocab(llama);
        const char * own = source ? source : llama_model_chat_template(llama, nullptr);
        if (own && strlen(own) > MAX_SOURCE) {
            chq::fail(CHQ_STATUS_ARGUMENT, "the chat template has %zu bytes, at most %zu are read", strlen(own), MAX_SOURCE);
        }
        run_engine("the chat template does not parse", [&] {
            tmpl->templates = common_chat_templates_init(llama, source ? source : "");
        });
        *out = tmpl.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_chat_template_free(struct chq_chat_template * tmpl) {
    return chq::guarded([&] {
        if (tmpl) {
            chq::check_handle(tmpl, KIND_CHAT_TEMPLATE, "template");
            tmpl->kind = chq::KIND_FREED;
            chq::run_on_deep_stack(ENGINE_STACK, [&] { delete tmpl; });
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_chat_render(
        const struct chq_chat_template * tmpl,
        const struct chq_chat_message  * messages,
        int32_t                          n_messages,
        bool                             add_assistant,
        char                           * text,
        size_t                           capacity,
        size_t                         * length) {
    return chq::guarded([&] {
        chq::check_handle(tmpl, KIND_CHAT_TEMPLATE, "template");
        chq::check_pointer(length, "length");
        if (n_messages < 0) {
            chq::fail(CHQ_STATUS_ARGUMENT, "n_messages is %d", n_messages);
        }
        common_chat_templates_inputs inputs;
        inputs.add_generation_prompt = add_assistant;
        for (int32_t i = 0; i < n_messages; i++) {
            chq::check_pointer(messages, "messages");
            chq::check_pointer(messages[i].role, "role");
            chq::check_pointer(messages[i].content, "content");
            common_chat_msg message;
            message.role    = messages[i].role;
            message.content = messages[i].content;
            inputs.messages.push_back(std::move(message));
        }
        std::string rendered;
        run_engine("the chat template refuses this conversation", [&] {
            const std::lock_guard<std::mutex> lock(const_cast<chq_chat_template *>(tmpl)->mutex);
            rendered = common_chat_templates_apply(tmpl->templates.get(), inputs).prompt;
        });
        if (rendered.size() > MAX_RENDERED) {
            chq::fail(CHQ_STATUS_ARGUMENT, "the chat template made %zu bytes of text", rendered.size());
        }
        return chq::give_text(rendered.data(), rendered.size(), text, capacity, length);
    });
}
