// One request to the blob service while it is carried out.
#pragma once
#include "request.hpp"
#include "rules.hpp"

struct Call {
    const Request &request;
    const Target at;
    Answer &answer;
    Pull &pull;
    std::shared_ptr<Container> container;

    std::string_view header(std::string_view name) const { return request.header(name); }
    void grant(char permission, bool listing = false) const {
        const bool pulled = header("user-agent") == FETCHER;
        check_grant(request.query, header("authorization"), permission, pulled, container ? container->access : "", listing);
    }
    Container &existing() const {
        if (!container) throw Refusal(404, "ContainerNotFound", "The specified container does not exist.");
        return *container;
    }
};

[[noreturn]] inline void not_modelled(const std::string &what) {
    throw Refusal(501, "FeatureNotModelled", "This service has no " + what + ".");
}

Pairs metadata_in(const Request &request);
// What is asked of a container, and of an account.
void on_container(Call &call);
void on_account(Call &call);
