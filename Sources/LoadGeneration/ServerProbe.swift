// SPDX-License-Identifier: Apache-2.0

internal import Spelling
internal import StrictJSON
package import Workloads

/// Asks a server what it serves, before the load begins.
package struct ServerProbe {
    private let endpoint: Endpoint

    /// The longest reply.
    private static let limit = 16 << 20

    package init(_ endpoint: Endpoint) { self.endpoint = endpoint }

    /// One name of `GET /v1/models`.
    package struct Model: Sendable, Equatable {
        package var name: String
        /// Whether it stands on another model, as an adapter does.
        package var isAdapter: Bool
        /// The most tokens of prompt and output together; nil where the server does not say.
        package var contextLength: Int?
    }

    /// What the server serves, in its order.
    package func models() throws(LoadError) -> [Model] {
        let reply = try ask("/v1/models", body: nil)
        guard reply.status == 200 else { throw refusal(reply, of: "/v1/models") }
        guard case .object(let object) = reply.json,
            case .array(let cards) = object["data"] ?? .null
        else {
            throw LoadError(
                "\(endpoint.address)/v1/models is not a list of models: is it an OpenAI API?")
        }
        return cards.compactMap { card in
            guard case .object(let fields) = card, let name = fields["id"]?.string else {
                return nil
            }
            return Model(
                name: name, isAdapter: fields["parent"]?.string != nil,
                contextLength: fields["max_model_len"]?.exactInteger)
        }
    }

    /// The names for a workload from those that are served: of the adapters that were asked for, or
    /// of the first `count` of all, and of the base.
    package func names(
        from models: [Model], base: String?, adapters: [String]?, count: Int?
    ) throws(LoadError) -> ModelNames {
        for name in (adapters ?? []) + [base].compactMap({ $0 })
        where !models.contains(where: { $0.name == name }) {
            throw LoadError(unknown(name, among: models.map(\.name)))
        }
        let all = adapters ?? models.filter(\.isAdapter).map(\.name)
        if let count, count > all.count {
            throw LoadError(
                "\(endpoint.address) has \(all.count) adapters, fewer than the \(count) of --adapters"
            )
        }
        guard let base = base ?? models.first(where: { !$0.isAdapter })?.name ?? all.first else {
            throw LoadError("\(endpoint.address) serves no model")
        }
        return ModelNames(base: base, adapters: Array(all.prefix(count ?? all.count)))
    }

    private func unknown(_ name: String, among names: [String]) -> String {
        let near = nearestName(to: name, among: names).map { ", did you mean '\($0)'?" } ?? ""
        let some = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
        return "\(endpoint.address) has no model '\(name)'\(near) It has: \(some)"
    }

    /// How many tokens a word of our prompts has on average; nil where the server has no
    /// `/tokenize` to ask.
    package func tokensPerWord(model: String) throws(LoadError) -> Double? {
        var source = PromptSource(.text(tokensPerWord: 1), seed: 1, number: 0)
        let count = 512
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("model")
        writer.value(model)
        writer.key("prompt")
        writer.value(source.text(words: count))
        writer.endObject()
        let reply = try ask("/tokenize", body: writer.bytes)
        guard reply.status == 200, case .object(let fields) = reply.json,
            let tokens = fields["count"]?.exactInteger, tokens > 0
        else { return nil }
        return Double(tokens) / Double(count)
    }

    private struct Reply {
        var status: Int
        var body: [UInt8]

        var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    }

    private func ask(_ path: String, body: [UInt8]?) throws(LoadError) -> Reply {
        let transfer = try Transfer()
        var received: [UInt8] = []
        var endpoint = endpoint
        endpoint.timeout = min(endpoint.timeout, .seconds(30))
        transfer.prepare(Transfer.Request(path: path, body: body), to: endpoint) { bytes, _ in
            received.append(contentsOf: bytes)
            return received.count <= Self.limit
        }
        let code = transfer.perform()
        guard code.isOK else {
            throw LoadError(
                "cannot reach \(endpoint.address)\(path): \(code.text)")
        }
        return Reply(status: transfer.status, body: received)
    }

    private func refusal(_ reply: Reply, of path: String) -> LoadError {
        if reply.status == 401 || reply.status == 403 {
            return LoadError(
                endpoint.apiKey == nil
                    ? "\(endpoint.address) wants an API key: put it into BURROW_API_KEY, or into a file "
                        + "for --api-key-file"
                    : "\(endpoint.address) does not accept the API key")
        }
        var message = ""
        if case .object(let fields) = reply.json, let error = fields["error"] {
            message = ": " + StreamedChunk.message(of: error)
        }
        return LoadError("\(endpoint.address)\(path) answers with status \(reply.status)\(message)")
    }
}
