// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import LoadGeneration
import Workloads

/// How requests are made and sent.
struct ClientOptions: ParsableArguments {
    /// What prompts are made of.
    enum PromptKind: String, ExpressibleByArgument, CaseIterable {
        case ids, text
    }

    @Option(help: "The adapters to use, as a,b,c. Default: all that the server lists.")
    var models: String?

    @Option(
        help: "The model of requests without an adapter. Default: the first that is no adapter.")
    var base: String?

    @Option(help: "What requests go to: completions or chat.")
    var endpoint = GenerationPath.completions

    @Option(help: "Prompts as token ids or as text. Default: ids, and text for a chat.")
    var prompts: PromptKind?

    @Option(help: "Token ids of prompts are below this.")
    var vocabulary = 256

    @Flag(
        inversion: .prefixedNo,
        help: "Whether answers go on to their planned length whatever the model says.")
    var ignoreEos = true

    @Option(help: "A file whose first line is the API key.")
    var apiKeyFile: String?

    @Option(help: "A file of certificates to trust instead of the system's.")
    var ca: String?

    @Option(help: "How long one request may take, as 600s.")
    var timeout = "600s"

    @Option(help: "Write what became of each request to this file, as JSON lines.")
    var record: String?

    @Option(help: "What this run is called in tables and plots. Default: the address.")
    var label: String?

    func validate() throws {
        guard ServiceLevel.duration(timeout) != nil else {
            throw ValidationError("--timeout is a time of at most a day, as 600s, not '\(timeout)'")
        }
        guard (2...(1 << 24)).contains(vocabulary) else {
            throw ValidationError("--vocabulary is 2 to 16777216, not \(vocabulary)")
        }
        guard endpoint != .chat || prompts != .ids else {
            throw ValidationError("a chat has text prompts: leave --prompts ids out")
        }
    }

    /// The kind that was asked for, or that suits the endpoint.
    var promptKind: PromptKind { prompts ?? (endpoint == .chat ? .text : .ids) }

    func endpoint(_ url: String) throws -> Endpoint {
        var endpoint = try Endpoint(url)
        endpoint.apiKey = try apiKey()
        endpoint.authorities = ca.map(WorkingFolder.absolute)
        if let timeout = ServiceLevel.duration(timeout) { endpoint.timeout = timeout }
        return endpoint
    }

    private func apiKey() throws -> String? {
        let environment = ProcessInfo.processInfo.environment
        var key = environment["BURROW_API_KEY"] ?? environment["OPENAI_API_KEY"]
        if let apiKeyFile {
            let path = WorkingFolder.absolute(apiKeyFile)
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw LoadError("cannot read the API key from \(path)")
            }
            key = text.split(whereSeparator: \.isNewline).first.map(String.init)
        }
        guard let key = key?.trimmingCharacters(in: .whitespaces), !key.isEmpty else { return nil }
        guard key.utf8.allSatisfy({ (0x21..<0x7F).contains($0) }) else {
            throw LoadError("the API key has characters that a header cannot hold")
        }
        return key
    }
}

extension GenerationPath: ExpressibleByArgument {}
