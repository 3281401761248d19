// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

extension AdminSocketPath {
    /// The socket that is named, that of a manifest, or that of the one host that runs.
    static func path(manifest: String?, socket: String?) throws -> String {
        if let socket { return WorkingFolder.absolute(socket) }
        if let manifest {
            let path = try onMainThread { () throws(HostError) in
                AdminSocketPath(of: try ManifestReader.load(manifest).manifest)?.path
            }
            guard let path else {
                throw fail("\(manifest) has no admin surface: its spec.server.admin is off")
            }
            return path
        }
        return try onlyHost(among: all)
    }

    /// The socket that somebody answers at: a host that was killed leaves its own behind.
    private static func onlyHost(among sockets: [String]) throws -> String {
        let answering = sockets.filter { !AdminClient(path: $0).isAbandoned }
        if let only = answering.first, answering.count == 1 { return only }
        let folder = defaultFolder
        if sockets.isEmpty { throw fail("no host runs: there is no socket in \(folder)") }
        if answering.isEmpty {
            throw fail("no host runs: nobody answers at any socket in \(folder)")
        }
        throw fail(
            "there are \(answering.count) hosts, name one with --socket: "
                + answering.joined(separator: ", "))
    }
}
