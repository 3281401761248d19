// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Paths of the command line start where the command was given.
enum WorkingFolder {
    static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }
}
