// Loads each module that it is given.
for (const module of process.argv.slice(2)) await import(module)
console.log("loaded")
