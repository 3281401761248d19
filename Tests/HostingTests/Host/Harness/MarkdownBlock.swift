// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A fenced block of a Markdown file.
struct MarkdownBlock: Sendable {
    /// What stands behind the fence; empty without a word.
    var language: String
    var text: String
    /// The line of the fence, from 1.
    var line: Int

    /// Every block of a file of the repository, in order.
    static func all(in path: String) throws -> [MarkdownBlock] {
        let lines = try Built.text(path).split(separator: "\n", omittingEmptySubsequences: false)
        var blocks: [MarkdownBlock] = []
        var open: MarkdownBlock?
        for (number, line) in lines.enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    blocks.append(block)
                    open = nil
                } else {
                    let word = line.dropFirst(3).trimmingCharacters(in: .whitespaces)
                    open = MarkdownBlock(language: word, text: "", line: number + 1)
                }
            } else {
                open?.text += line + "\n"
            }
        }
        if let open { throw WireFault.malformed("\(path):\(open.line): the block has no end") }
        return blocks
    }
}
