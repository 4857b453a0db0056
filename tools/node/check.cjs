// Before what runs TypeScript: Node.js does that by itself from 22.18 on. npm installs one that does where there is a
// package of it (Linux, Windows); an older one elsewhere would stop at the first file without saying why.
if (!process.features.typescript) {
  process.stderr.write(
    `Node.js ${process.version} does not run TypeScript. Install Node.js 24 (https://nodejs.org), and run it again.\n`
  )
  process.exitCode = 1
}
