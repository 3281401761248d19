// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The repository that the tests lie in.
enum Repository {
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Text files below `folders` with one of the `endings`, as paths relative to the root.
    static func files(in folders: [String], endings: [String]) -> [String] {
        folders.flatMap { folder -> [String] in
            let base = root.appendingPathComponent(folder)
            guard let names = FileManager.default.enumerator(atPath: base.path) else { return [] }
            return names.compactMap { $0 as? String }
                .filter { name in
                    !name.split(separator: "/").contains { $0.hasPrefix(".build") }
                        && endings.contains { name.hasSuffix($0) }
                }
                .map { "\(folder)/\($0)" }
        }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func lines(_ path: String) throws -> [Substring] {
        try text(path).split(separator: "\n", omittingEmptySubsequences: false)
    }
}
