// SPDX-License-Identifier: Apache-2.0

import Foundation
import StrictJSON

extension Tokenizer {
    /// Larger files are refused.
    static let fileLimit = JSONNode.limits.byteCount

    /// Loads the tokenizer of a model folder: `tokenizer.json` and, where they exist,
    /// `tokenizer_config.json`, `special_tokens_map.json` and `chat_template.jinja`, which goes
    /// before the template in the configuration.
    ///
    /// With `chatTemplate: false` templates are not read, so that a model whose template is not
    /// supported can still complete prompts.
    package static func load(
        folder: String, chatTemplate: Bool = true
    ) throws(TokenizationError) -> Tokenizer {
        guard let json = try read("tokenizer.json", in: folder) else {
            throw TokenizationError(
                .unreadableFile, "there is no such file; a model folder must hold it",
                at: "\(folder)/tokenizer.json")
        }
        let configuration = try configuration(folder, chatTemplate: chatTemplate)
        do {
            return try Tokenizer(json: json, configuration: configuration)
        } catch {
            let isTemplate = error.location?.hasPrefix("chat_template") == true
            throw error.located(in: isTemplate ? folder : "\(folder)/tokenizer.json")
        }
    }

    private static func configuration(
        _ folder: String, chatTemplate: Bool
    ) throws(TokenizationError) -> TokenizerConfiguration {
        var configuration = TokenizerConfiguration()
        if let json = try read("tokenizer_config.json", in: folder) {
            do {
                configuration = try TokenizerConfiguration(json: json)
            } catch {
                throw error.located(in: "\(folder)/tokenizer_config.json")
            }
        }
        if let json = try read("special_tokens_map.json", in: folder) {
            do {
                try configuration.addTokens(mapJSON: json)
            } catch {
                throw error.located(in: "\(folder)/special_tokens_map.json")
            }
        }
        guard chatTemplate else {
            configuration.removeTemplates()
            return configuration
        }
        if let source = try read("chat_template.jinja", in: folder) {
            guard UTF8Text.isValid(source) else {
                throw TokenizationError(
                    .malformedTemplate, "the template is not UTF-8",
                    at: "\(folder)/chat_template.jinja")
            }
            configuration.setTemplate(String(decoding: source, as: UTF8.self))
        }
        return configuration
    }

    /// The contents of a file, or nil when it does not exist.
    private static func read(
        _ name: String, in folder: String
    ) throws(TokenizationError) -> [UInt8]? {
        let path = "\(folder)/\(name)"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            let contents = try file.read(upToCount: fileLimit + 1) ?? Data()
            if contents.count <= fileLimit { return [UInt8](contents) }
        } catch {
            throw TokenizationError(.unreadableFile, "\(error.localizedDescription)", at: path)
        }
        throw TokenizationError(.limitExceeded, "the file is above \(fileLimit) bytes", at: path)
    }
}
