// The authority of a cloud, as far as an application that signs in by a secret needs it. Nothing is checked, and the
// token is not signed: this service measures copying, not signing in.
#include "request.hpp"
#include "text.hpp"

namespace {

std::string url_safe(std::string_view raw) {
    std::string text = base64(raw);
    while (!text.empty() && text.back() == '=') text.pop_back();
    for (char &c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    return text;
}

}  // namespace

void serve_authority(const Request &request, Side side, Answer &answer) {
    answer.kind = SIGN_IN;
    const std::string_view path = request.path;
    const size_t slash = std::min(path.find('/', 1), path.size());
    const std::string tenant(path.substr(1, slash - 1));
    const std::string base = "https://" + std::string(request.host) + "/" + tenant;
    const auto ends = [&path](std::string_view tail) {
        return path.size() >= tail.size() && path.substr(path.size() - tail.size()) == tail;
    };
    if (ends("/.well-known/openid-configuration"))
        return answer.json("{\"token_endpoint\":\"" + base + "/oauth2/v2.0/token\",\"issuer\":\"" + base +
                           "/v2.0\",\"authorization_endpoint\":\"" + base +
                           "/oauth2/v2.0/authorize\",\"device_authorization_endpoint\":\"" + base +
                           "/oauth2/v2.0/devicecode\",\"jwks_uri\":\"" + base + "/discovery/v2.0/keys\"}");
    if (ends("/discovery/instance"))
        return answer.json("{\"tenant_discovery_endpoint\":\"https://" + std::string(request.host) +
                           "/common/v2.0/.well-known/openid-configuration\",\"metadata\":[{\"preferred_network\":\"" +
                           LOGIN_HOST[side] + "\",\"preferred_cache\":\"" + LOGIN_HOST[side] + "\",\"aliases\":[\"" +
                           LOGIN_HOST[side] + "\"]}]}");
    if (!ends("/token")) throw Refusal(404, "ResourceNotFound");
    const std::string form = const_cast<Sink &>(request.body).done().text();
    std::string audience = percent_decoded(raw_parameter(form, "resource"), true);
    if (audience.empty()) {
        audience = percent_decoded(raw_parameter(form, "scope"), true);
        audience = audience.substr(0, audience.find(' '));
        if (const size_t at = audience.rfind("/.default"); at != std::string::npos) audience.resize(at);
    }
    const std::string client = percent_decoded(raw_parameter(form, "client_id"), true);
    const std::string now = std::to_string(now_seconds()), ends_at = std::to_string(now_seconds() + 3599);
    const std::string claims = "{\"aud\":\"" + audience + "\",\"iss\":\"https://sts.windows.net/" + tenant + "/\",\"iat\":" + now +
                               ",\"nbf\":" + now + ",\"exp\":" + ends_at + ",\"appid\":\"" + client + "\",\"oid\":\"" + client +
                               "\",\"sub\":\"" + client + "\",\"tid\":\"" + tenant + "\",\"ver\":\"1.0\"}";
    const std::string token =
        url_safe("{\"typ\":\"JWT\",\"alg\":\"RS256\",\"kid\":\"bench\"}") + "." + url_safe(claims) + "." + url_safe("unsigned");
    answer.json("{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":3599,\"access_token\":\"" + token + "\"}");
}
