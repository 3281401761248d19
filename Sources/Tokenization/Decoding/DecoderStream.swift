// SPDX-License-Identifier: Apache-2.0

/// The state of a ``DecoderChain`` between tokens. All that is held back is an unfinished
/// scalar, a run of byte tokens, or text that a later stage may still strip or replace.
struct DecoderStream: Sendable {
    /// The state of one stage.
    private struct Progress {
        let stage: DecoderChain.Stage
        /// Whether the stage sees pieces of one text instead of tokens.
        let isFused: Bool
        var isFirst = true
        var utf8 = LossyUTF8Stream()
        /// Bytes of a run, or text held back.
        var held: [UInt8] = []
        /// How many `content` the start of the text may still lose.
        var startLeft = 0
    }

    private var progress: [Progress]

    init(_ chain: DecoderChain) {
        var isFused = false
        progress = chain.stages.map { stage in
            defer { isFused = isFused || stage.makesOneText }
            var progress = Progress(stage: stage, isFused: isFused)
            if case .strip(_, let start, _) = stage { progress.startLeft = start }
            return progress
        }
    }

    /// What the token adds to the text.
    mutating func push(_ token: [UInt8]) -> [UInt8] {
        feed([token], from: 0)
    }

    /// What is left at the end.
    mutating func finish() -> [UInt8] {
        var result: [UInt8] = []
        for index in progress.indices {
            let rest = Self.finish(&progress[index])
            if !rest.isEmpty { result += feed(rest, from: index + 1) }
        }
        return result
    }

    private mutating func feed(_ tokens: [[UInt8]], from index: Int) -> [UInt8] {
        var current = tokens
        for position in progress.indices.dropFirst(index) {
            var output: [[UInt8]] = []
            for token in current { Self.step(&progress[position], token, &output) }
            current = output
        }
        return current.count == 1 ? current[0] : current.flatMap { $0 }
    }

    // MARK: - Stages

    private static func step(
        _ progress: inout Progress, _ token: [UInt8], _ output: inout [[UInt8]]
    ) {
        defer { progress.isFirst = false }
        switch progress.stage {
        case .fuse: output.append(token)
        case .join: output.append(progress.isFirst ? token : [0x20] + token)
        case .byteLevel: output.append(progress.utf8.push(ByteAlphabet.decode(token)))
        case .byteFallback: fallback(&progress, token, &output)
        case .metaspace(let replacement, let dropsFirst):
            let drops = dropsFirst && (progress.isFirst || progress.isFused)
            output.append(token.replacing(replacement, with: drops ? [] : [0x20]))
        case .replace(let pattern, let content):
            if progress.isFused {
                output.append(replace(&progress, token, pattern, content))
            } else {
                output.append(token.replacing(pattern, with: content))
            }
        case .strip(let content, let start, let stop):
            if progress.isFused {
                output.append(strip(&progress, token, content, stop: stop))
            } else {
                output.append(
                    DecoderChain.stripped(token, content, start: start, stop: stop))
            }
        }
    }

    private static func finish(_ progress: inout Progress) -> [[UInt8]] {
        defer { progress.held = [] }
        switch progress.stage {
        case .byteLevel: return [progress.utf8.finish()].filter { !$0.isEmpty }
        case .byteFallback: return progress.held.isEmpty ? [] : [endRun(progress.held)]
        case .replace: return progress.held.isEmpty ? [] : [progress.held]
        case .strip(let content, _, let stop):
            guard progress.isFused, !progress.held.isEmpty else { return [] }
            return [DecoderChain.stripped(progress.held, content, start: 0, stop: stop)]
        case .fuse, .join, .metaspace: return []
        }
    }

    private static func fallback(
        _ progress: inout Progress, _ token: [UInt8], _ output: inout [[UInt8]]
    ) {
        if let byte = DecoderChain.fallbackByte(token) {
            progress.held.append(byte)
            return
        }
        if !progress.held.isEmpty { output.append(endRun(progress.held)) }
        progress.held.removeAll(keepingCapacity: true)
        output.append(token)
    }

    private static func endRun(_ bytes: [UInt8]) -> [UInt8] {
        if UTF8Text.isValid(bytes) { return bytes }
        return bytes.flatMap { _ in UTF8Text.replacement }
    }

    /// Replaces in a text that comes in pieces; holds back what may begin an occurrence.
    private static func replace(
        _ progress: inout Progress, _ piece: [UInt8], _ pattern: [UInt8], _ content: [UInt8]
    ) -> [UInt8] {
        let text = progress.held + piece
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            let rest = text[index...]
            if rest.starts(with: pattern) {
                result += content
                index += pattern.count
            } else if rest.count < pattern.count, pattern.starts(with: rest) {
                break
            } else {
                result.append(text[index])
                index += 1
            }
        }
        progress.held = Array(text[index...])
        return result
    }

    /// Strips a text that comes in pieces; holds back the last `content`s while they may be the
    /// end.
    private static func strip(
        _ progress: inout Progress, _ piece: [UInt8], _ content: [UInt8], stop: Int
    ) -> [UInt8] {
        var text = ArraySlice(progress.held + piece)
        while progress.startLeft > 0, text.starts(with: content) {
            text = text.dropFirst(content.count)
            progress.startLeft -= 1
        }
        if !text.isEmpty { progress.startLeft = 0 }
        var kept = text.endIndex
        for _ in 0..<stop where kept - content.count >= text.startIndex {
            guard text[kept - content.count..<kept].elementsEqual(content) else { break }
            kept -= content.count
        }
        progress.held = Array(text[kept...])
        return Array(text[..<kept])
    }
}
