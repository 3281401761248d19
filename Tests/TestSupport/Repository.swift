// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The repository that the tests lie in.
package enum Repository {
    /// The absolute path of its folder.
    package static let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// The absolute path of a file or a folder in it.
    package static func path(of name: String) -> String { "\(path)/\(name)" }

    /// Files below `folders` with one of the `endings`, as paths relative to the repository.
    package static func files(in folders: [String], endings: [String]) -> [String] {
        folders.flatMap { folder -> [String] in
            let names = FileManager.default.enumerator(atPath: path(of: folder))
            return (names?.compactMap { $0 as? String } ?? [])
                .filter { name in
                    !name.split(separator: "/").contains { $0.hasPrefix(".build") }
                        && endings.contains { name.hasSuffix($0) }
                }
                .map { "\(folder)/\($0)" }
        }.sorted()
    }

    /// The text of a file.
    package static func text(_ name: String) throws -> String {
        try String(contentsOfFile: path(of: name), encoding: .utf8)
    }

    /// The lines of a file, the empty ones too.
    package static func lines(_ name: String) throws -> [Substring] {
        try text(name).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The bytes of a file.
    package static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(of: name))))
    }
}
