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
