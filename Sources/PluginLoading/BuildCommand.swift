// SPDX-License-Identifier: Apache-2.0

/// The command that builds a plugin, for messages that say what to do.
package enum BuildCommand {
    /// With the package that the library lies in, where that shows in its path.
    package static func text(for path: String) -> String {
        guard let build = "\(path)/".firstRange(of: "/.build/") else {
            return "burrow plugin build NAME"
        }
        let package = path[..<min(build.lowerBound, path.endIndex)]
        return "burrow plugin build \(package.isEmpty ? "/" : String(package))"
    }
}
