// What is asked of containers and accounts.
#include <cstring>

#include "call.hpp"
#include "text.hpp"

Pairs metadata_in(const Request &request) {
    Pairs metadata;
    for (const auto &[name, value] : request.headers)
        if (name.size() > 10 && same_text(name.substr(0, 10), "x-ms-meta-"))
            metadata.emplace_back(name.substr(10), value);
    return metadata;
}

namespace {

bool fit_name(const std::string &name) {
    if (name == "$root" || name == "$web" || name == "$logs") return true;
    if (name.size() < 3 || name.size() > 63) return false;
    for (size_t i = 0; i < name.size(); ++i) {
        const bool letter = islower(static_cast<unsigned char>(name[i])) || isdigit(static_cast<unsigned char>(name[i]));
        if (!letter && (name[i] != '-' || i == 0 || i + 1 == name.size() || name[i - 1] == '-')) return false;
    }
    return true;
}

void say_container(const Container &container, Answer &answer) {
    answer.add("ETag", '"' + etag_text(container.etag) + '"');
    answer.add("Last-Modified", http_date(container.modified));
}

void create_container(Call &call) {
    if (!fit_name(call.at.container)) throw Refusal(400, "InvalidResourceName");
    auto fresh = std::make_shared<Container>();
    fresh->etag = new_etag();
    fresh->modified = now_seconds();
    fresh->metadata = metadata_in(call.request);
    fresh->access = call.header("x-ms-blob-public-access");
    std::unique_lock lock(store.guard);
    if (!store.accounts[call.at.side][call.at.account].containers.emplace(call.at.container, fresh).second)
        throw Refusal(409, "ContainerAlreadyExists", "The specified container already exists.");
    call.answer.status = 201;
    say_container(*fresh, call.answer);
}

void show_container(Call &call) {
    Container &container = call.existing();
    std::shared_lock lock(container.guard);
    say_container(container, call.answer);
    for (const auto &[name, value] : container.metadata) call.answer.add("x-ms-meta-" + name, value);
    if (!container.access.empty()) call.answer.add("x-ms-blob-public-access", container.access);
    call.answer.headers +=
        "x-ms-lease-status: unlocked\r\nx-ms-lease-state: available\r\nx-ms-has-immutability-policy: false\r\n"
        "x-ms-has-legal-hold: false\r\nx-ms-immutable-storage-with-versioning-enabled: false\r\n"
        "x-ms-default-encryption-scope: $account-encryption-key\r\nx-ms-deny-encryption-scope-override: false\r\n";
}

void change_container(Call &call, const std::string &comp) {
    Container &container = call.existing();
    std::unique_lock lock(container.guard);
    if (comp == "metadata") container.metadata = metadata_in(call.request);
    else {
        container.access = call.header("x-ms-blob-public-access");
        container.policies = const_cast<Sink &>(call.request.body).done().text();
    }
    container.etag = new_etag();
    container.modified = now_seconds();
    say_container(container, call.answer);
}

void show_policies(Call &call) {
    Container &container = call.existing();
    std::shared_lock lock(container.guard);
    say_container(container, call.answer);
    if (!container.access.empty()) call.answer.add("x-ms-blob-public-access", container.access);
    call.answer.xml(container.policies.empty() ? "<?xml version=\"1.0\" encoding=\"utf-8\"?><SignedIdentifiers />"
                                               : container.policies);
}

std::string between(const std::string &xml, const std::string &tag) {
    const size_t open = xml.find('<' + tag + '>');
    if (open == std::string::npos) return "";
    const size_t begin = open + tag.size() + 2;
    return xml.substr(begin, xml.find("</", begin) - begin);
}

void delegation_key(Call &call) {
    const std::string sent = const_cast<Sink &>(call.request.body).done().text();
    call.answer.xml(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><UserDelegationKey><SignedOid>33333333-3333-4333-8333-333333333333</SignedOid>"
        "<SignedTid>11111111-1111-4111-8111-111111111111</SignedTid><SignedStart>" + between(sent, "Start") +
        "</SignedStart><SignedExpiry>" + between(sent, "Expiry") + "</SignedExpiry><SignedService>b</SignedService>"
        "<SignedVersion>2020-02-10</SignedVersion><Value>" + base64(std::string(32, 'k')) + "</Value></UserDelegationKey>");
}

}  // namespace

void on_container(Call &call) {
    const auto method = call.request.method;
    const std::string comp = call.request.ask("comp");
    Kind &kind = call.answer.kind;
    const bool reads = method == "GET" || method == "HEAD";
    kind = reads ? CONTAINER_READ : CONTAINER_WRITE;
    if (reads && comp == "list") {
        kind = LIST_BLOBS;
        call.grant('l', true);
        return list_blobs(call.request, call.at, call.existing(), call.answer);
    }
    call.grant(reads ? 'r' : 'w', true);
    if (method == "PUT" && comp.empty()) return create_container(call);
    if (reads && (comp.empty() || comp == "metadata")) return show_container(call);
    if (reads && comp == "acl") return show_policies(call);
    if (method == "PUT" && (comp == "acl" || comp == "metadata")) return change_container(call, comp);
    if (method == "DELETE" && comp.empty()) {
        call.existing();
        std::unique_lock lock(store.guard);
        store.accounts[call.at.side][call.at.account].containers.erase(call.at.container);
        call.answer.status = 202;
        return;
    }
    not_modelled(std::string(method) + " on a container with comp=" + comp);
}

void on_account(Call &call) {
    const std::string comp = call.request.ask("comp"), type = call.request.ask("restype");
    if (comp == "list") {
        call.answer.kind = LIST_CONTAINERS;
        call.grant('l');
        return list_containers(call.request, call.at, call.answer);
    }
    if (comp == "userdelegationkey") {
        call.answer.kind = DELEGATION_KEY;
        return delegation_key(call);
    }
    if (type == "service" && comp == "properties" && call.request.method == "GET") {
        call.answer.kind = ACCOUNT_INFO;
        return call.answer.xml("<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties />");
    }
    not_modelled("such account operation");
}
