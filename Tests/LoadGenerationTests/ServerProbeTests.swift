// SPDX-License-Identifier: Apache-2.0

import LoadGeneration
import Testing
import Workloads

struct ServerProbeTests {
    private static let list = """
        {"object":"list","data":[{"id":"base","parent":null,"max_model_len":512},\
        {"id":"roman","parent":"base"},{"id":"french","parent":"base"},{"id":"date","parent":"base"}]}
        """

    private func probe(
        _ status: Int = 200, _ body: String = list, apiKey: String? = nil
    ) throws -> (probe: ServerProbe, server: FakeServer) {
        let server = FakeServer { exchange in
            exchange.path == "/tokenize"
                ? exchange.reply(200, #"{"count":768,"tokens":[]}"#) : exchange.reply(status, body)
        }
        var endpoint = try Endpoint(server.address + "/v1/")
        endpoint.apiKey = apiKey
        return (ServerProbe(endpoint), server)
    }

    @Test(
        arguments: [
            (nil, nil, nil, "base", ["roman", "french", "date"]),
            (nil, nil, 2, "base", ["roman", "french"]),
            (nil, nil, 0, "base", []),
            ("date", ["french", "base"], nil, "date", ["french", "base"]),
        ] as [(String?, [String]?, Int?, String, [String])])
    func namesAreThoseAskedForOrAll(
        _ base: String?, _ adapters: [String]?, _ count: Int?, _ expectedBase: String,
        _ expected: [String]
    ) throws {
        let (probe, server) = try probe()
        let models = try probe.models()
        #expect(models.first?.contextLength == 512 && models.count == 4)
        let names = try probe.names(from: models, base: base, adapters: adapters, count: count)
        #expect(names == ModelNames(base: expectedBase, adapters: expected))
        #expect(server.requestCount == 1)
    }

    @Test func wordsAreMeasuredWithTheServersTokenizer() throws {
        let (probe, server) = try probe()
        #expect(try probe.tokensPerWord(model: "base") == 1.5)
        #expect(server.requestCount == 1)
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func faultsSayWhatToChange() throws {
        let (good, server) = try probe()
        let models = try good.models()
        #expect(
            message { _ = try good.names(from: models, base: nil, adapters: ["romen"], count: nil) }
                .contains("did you mean 'roman'?"))
        #expect(
            message { _ = try good.names(from: models, base: nil, adapters: nil, count: 9) }
                .contains("3 adapters"))
        #expect(server.requestCount == 1)
        let faults: [(Int, String, String?, String)] = [
            (401, "{}", nil, "BURROW_API_KEY"), (401, "{}", "k", "does not accept"),
            (500, #"{"error":{"message":"broken"}}"#, nil, "status 500: broken"),
            (200, "<html>", nil, "OpenAI API"), (200, "[]", nil, "OpenAI API"),
        ]
        for (status, body, key, words) in faults {
            let (probe, server) = try probe(status, body, apiKey: key)
            #expect(message { _ = try probe.models() }.contains(words), "\(status) \(body)")
            #expect(server.requestCount == 1)
        }
    }

    @Test func aServerThatIsNotThereIsNamed() throws {
        let port = FakeServer { _ in }.port
        let probe = ServerProbe(try Endpoint("127.0.0.1:\(port)"))
        let text = message { _ = try probe.models() }
        #expect(text.contains("cannot reach http://127.0.0.1:\(port)"))
    }

    @Test(arguments: [
        ("localhost:80", "http://localhost:80"), ("http://a/v1", "http://a"),
        ("https://a.b/x/v1/", "https://a.b/x"), ("http://[::1]:8080", "http://[::1]:8080"),
    ])
    func anAddressMayHaveTheUsualForms(_ text: String, _ address: String) throws {
        #expect(try Endpoint(text).address == address)
    }

    @Test(arguments: [
        "", "ftp://a", "http://", "http://a b", "http://a/?x", "http://a#b", "file:///x",
    ])
    func whatIsNoAddressIsRefused(_ text: String) {
        #expect(throws: LoadError.self) { try Endpoint(text) }
    }
}
