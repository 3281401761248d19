// SPDX-License-Identifier: Apache-2.0

import HTTPServing
import Testing

@Suite struct RouteTests {
    @Test(
        arguments: [
            ("GET", "/health", .health), ("HEAD", "/health", .health),
            ("GET", "/version", .version), ("GET", "/livez", .alive), ("HEAD", "/readyz", .ready),
            ("GET", "/metrics", .metrics), ("GET", "/v1/models", .models),
            ("GET", "/v1/models/roman", .model("roman")),
            ("GET", "/v1/models/org/m a%", .model("org/m a%")),
            ("POST", "/v1/completions", .completions),
            ("POST", "/v1/chat/completions", .chatCompletions),
            ("POST", "/v1/load_lora_adapter", .loadAdapter),
            ("POST", "/v1/unload_lora_adapter", .unloadAdapter),
            ("GET", "/v1/lora_adapters", .adapters), ("POST", "/tokenize", .tokenize),
            ("POST", "/detokenize", .detokenize),
            ("OPTIONS", "*", .options(allowing: ["GET", "HEAD", "POST", "OPTIONS"])),
            ("OPTIONS", "/v1/completions", .options(allowing: ["POST", "OPTIONS"])),
        ] as [(String, String, Route)])
    func methodAndPathGiveTheRoute(method: String, path: String, route: Route) throws {
        #expect(try Route(method: method, path: path) == route)
    }

    @Test(arguments: [
        ("GET", "/", 404), ("GET", "/v1/model", 404), ("GET", "/v1/models/", 404),
        ("POST", "/v1/completion", 404), ("OPTIONS", "/nowhere", 404), ("GET", "", 404),
        ("GET", "*", 404), ("GET", "/v1/completions", 405),
        ("DELETE", "/v1/models/a", 405), ("post", "/tokenize", 405), ("POST", "/health", 405),
    ])
    func otherRequestsAreRefused(method: String, path: String, status: Int) {
        let error = #expect(throws: APIError.self) { try Route(method: method, path: path) }
        #expect(error?.status == status)
    }

    @Test func refusalsSayWhatWouldDo() {
        let missing = #expect(throws: APIError.self) {
            try Route(method: "POST", path: "/v1/chat/completion")
        }
        #expect(
            missing?.message
                == "There is nothing at /v1/chat/completion. Did you mean /v1/chat/completions?")
        let method = #expect(throws: APIError.self) {
            try Route(method: "GET", path: "/tokenize")
        }
        #expect(method?.allowedMethods == ["POST", "OPTIONS"])
        #expect(method?.headers.first?.name == "Allow")
        #expect(method?.headers.first?.value == "POST, OPTIONS")
    }

    @Test func onlyTheseRoutesAreOpen() {
        let open: [Route] = [.health, .alive, .ready, .version, .metrics, .options(allowing: [])]
        #expect(open.allSatisfy { $0.isOpen })
        let closed: [Route] = [
            .models, .model("x"), .completions, .chatCompletions, .loadAdapter, .unloadAdapter,
            .adapters, .tokenize, .detokenize,
        ]
        #expect(closed.allSatisfy { !$0.isOpen })
        #expect(Route.model("anything").label == "/v1/models/{id}")
    }
}
