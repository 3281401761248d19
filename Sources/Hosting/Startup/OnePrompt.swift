// SPDX-License-Identifier: Apache-2.0

internal import HTTPServing
package import Logging
internal import LoopIO
internal import PolicyKit
internal import StrictJSON

/// What `burrow generate` asks for.
nonisolated package struct PromptFields: Sendable {
    package var model: String?
    package var prompt: String
    package var isChat: Bool
    package var maxTokens: Int?
    package var temperature: Double
    package var seed: Int64?

    package init(
        model: String?, prompt: String, isChat: Bool, maxTokens: Int?, temperature: Double
    ) {
        self.model = model
        self.prompt = prompt
        self.isChat = isChat
        self.maxTokens = maxTokens
        self.temperature = temperature
    }
}

/// Answers one prompt with the engine that `serve` uses, without a server.
package enum OnePrompt {
    /// Runs the loop until the answer is complete. Main thread only.
    ///
    /// `write` takes each piece of text as it comes, and a line break at the end. Throws `HostError`
    /// for what the manifest or the request is at fault.
    package static func answer(
        _ fields: PromptFields, from loaded: LoadedManifest, log: Logger,
        write: @escaping (String) -> Void
    ) throws(HostError) {
        let loop: EventLoop
        do {
            loop = try EventLoop()
        } catch {
            throw HostError(.cannotStart, error.description)
        }
        let engine = try HostAssembly(loaded, log: log).engine(on: loop)
        var failure: APIError?
        do {
            let request = try request(for: fields)
            let job = try JobResolution(
                model: engine.model, catalog: engine.catalog, shares: engine.shares
            )
            .job(for: request, tenant: TenantID(rawValue: 0))
            _ = try engine.submit(job) { event in
                switch event {
                case .delta(let delta): write(delta.text)
                case .finished: loop.stop()
                case .failed(let error):
                    failure = error
                    loop.stop()
                }
            }
        } catch {
            throw HostError(.badConfiguration, error.message)
        }
        loop.run()
        engine.close()
        if let failure { throw HostError(.cannotStart, failure.message) }
        write("\n")
    }

    /// The same request that a client would send, so that both take one path.
    static func request(for fields: PromptFields) throws(APIError) -> GenerationRequest {
        var writer = JSONWriter()
        writer.beginObject()
        if let model = fields.model {
            writer.key("model")
            writer.value(model)
        }
        writer.key("temperature")
        writer.value(fields.temperature)
        if let seed = fields.seed {
            writer.key("seed")
            writer.value(Int(clamping: seed))
        }
        if let maxTokens = fields.maxTokens {
            writer.key("max_tokens")
            writer.value(maxTokens)
        }
        if fields.isChat {
            writer.key("messages")
            writer.beginArray()
            writer.beginObject()
            writer.key("role")
            writer.value("user")
            writer.key("content")
            writer.value(fields.prompt)
            writer.endObject()
            writer.endArray()
        } else {
            writer.key("prompt")
            writer.value(fields.prompt)
        }
        writer.endObject()
        return fields.isChat
            ? try GenerationRequest(chatCompletions: writer.bytes)
            : try GenerationRequest(completions: writer.bytes)
    }
}
