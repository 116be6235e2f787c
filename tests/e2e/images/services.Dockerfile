FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends nginx-light redis-server supervisor \
 && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/default
COPY site.conf /etc/nginx/sites-enabled/site.conf
COPY worker.sh /usr/local/bin/worker.sh
CMD ["tail", "-f", "/dev/null"]
