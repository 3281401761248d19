// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import Logging

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer one prompt and end, without a server.")

    @Argument(help: "The manifest.")
    var manifest: String

    @Argument(help: "The prompt; it goes through the chat template unless --raw is given.")
    var prompt: String

    @Option(help: "The base model or an adapter, by its name. Default: the base model.")
    var model: String?

    @Option(help: "The most tokens to generate.")
    var maxTokens: Int?

    @Option(help: "0 takes the likeliest token each time.")
    var temperature: Double = 0

    @Option(help: "The same seed gives the same text.")
    var seed: Int64?

    @Flag(help: "Continue the prompt as it stands, without the chat template.")
    var raw = false

    @OptionGroup var logging: LoggingOptions

    func validate() throws {
        if let maxTokens, maxTokens < 1 {
            throw ValidationError("--max-tokens must be at least 1")
        }
    }

    func run() throws {
        var log = logging.logger()
        if logging.logLevel == .info { log.logLevel = .warning }
        var fields = PromptFields(
            model: model, prompt: prompt, isChat: !raw, maxTokens: maxTokens,
            temperature: temperature)
        fields.seed = seed
        try onMainThread { () throws(HostError) in
            let loaded = try ManifestReader.load(manifest)
            try OnePrompt.answer(fields, from: loaded, log: log) { text in
                FileHandle.standardOutput.write(Data(text.utf8))
            }
        }
    }
}
